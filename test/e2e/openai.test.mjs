// The OpenAI surface, by OpenAI's own client.
import assert from 'node:assert/strict'
import test from 'node:test'
import OpenAI from 'openai'
import { Node, until } from './node.mjs'

const clientOf = (node) => new OpenAI({ baseURL: `${node.url}/v1`, apiKey: 'unused', maxRetries: 0 })
const hello = [{ role: 'user', content: 'I am so happy about the new garden!' }]

test('the OpenAI client talks with a node', async (t) => {
  const node = await Node.start(t)
  const client = clientOf(node)

  await t.test('a plain reply has text, usage, model and what was felt', async () => {
    const x = await client.chat.completions.create({ model: 'companion', user: 'ada', messages: hello })
    assert.equal(x.object, 'chat.completion')
    assert.equal(x.choices.length, 1)
    assert.equal(x.choices[0].message.role, 'assistant')
    assert.equal(x.choices[0].finish_reason, 'stop')
    assert.ok(x.choices[0].message.content.length > 0)
    assert.ok(x.usage.total_tokens > 0)
    assert.equal(x.usage.total_tokens, x.usage.prompt_tokens + x.usage.completion_tokens)
    assert.ok(Math.abs(x.created - Date.now() / 1000) < 120)
    assert.deepEqual(Object.keys(x.sotto).sort(),
      ['analyses', 'degraded', 'emotion', 'level', 'memories', 'memory_stored', 'topics'])
    assert.deepEqual(x.sotto.degraded, [])
    assert.equal(x.sotto.memory_stored, true)
    assert.ok(x.sotto.emotion.compound > 0.5)
    assert.equal(x.sotto.emotion.primary, 'joy')
  })

  await t.test('every reply bears its trace', async () => {
    const { response } = await client.chat.completions
      .create({ model: 'companion', messages: hello }).withResponse()
    assert.match(response.headers.get('sotto-trace'), /^[0-9a-f]{32}$/)
    assert.equal(response.headers.get('x-request-id'), response.headers.get('sotto-trace'))
  })

  await t.test('a trace that is given is kept', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
    const { response } = await client.chat.completions.create({ model: 'companion', messages: hello },
      { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } }).withResponse()
    assert.equal(response.headers.get('sotto-trace'), trace)
    // The answer may be here before the last of its messages has ended.
    const find = async () => (await node.call('GET', `/v1/traces/${trace}`)).body.spans ?? []
    await until('the turn is in its trace', async () => (await find()).some((x) => x.actor === 'session'))
    const spans = await find()
    assert.ok(spans.every((x) => x.at_ms >= 0 && (x.note || (x.waited_ms >= 0 && x.took_ms >= 0))))
    assert.ok(spans.every((x, i) => i === 0 || x.at_ms >= spans[i - 1].at_ms))
    const listed = (await node.call('GET', '/v1/traces?limit=200')).body.traces
    assert.ok(listed.find((x) => x.trace === trace).messages >= spans.length)
    assert.equal((await node.call('GET', '/v1/traces/1')).status, 400)
    assert.equal((await node.call('GET', `/v1/traces/${'7'.repeat(32)}`)).status, 404)
  })

  await t.test('a stream comes in pieces, with details and usage at its end', async () => {
    const stream = await client.chat.completions.create({
      model: 'companion', user: 'bo', messages: hello, stream: true,
      stream_options: { include_usage: true } })
    const chunks = []
    for await (const x of stream) chunks.push(x)
    const text = chunks.map((x) => x.choices[0]?.delta?.content ?? '').join('')
    assert.ok(chunks.length > 3)
    assert.ok(text.length > 0)
    assert.equal(chunks[0].choices[0].delta.role, 'assistant')
    assert.equal(new Set(chunks.map((x) => x.id)).size, 1)
    const finish = chunks.filter((x) => x.choices[0]?.finish_reason)
    assert.equal(finish.length, 1)
    assert.equal(finish[0].sotto.memory_stored, true)
    assert.ok(chunks.at(-1).usage.total_tokens > 0)
    assert.deepEqual(chunks.at(-1).choices, [])
    const stored = await node.memories('bo')
    assert.deepEqual(stored.map((x) => x.text), [hello[0].content, text])
  })

  await t.test('a stream without wish for usage has none, and ends with [DONE]', async () => {
    const x = await node.get('/v1/chat/completions', { method: 'POST',
      body: JSON.stringify({ model: 'companion', messages: hello, stream: true }) })
    assert.match(x.headers.get('content-type'), /^text\/event-stream/)
    const text = await x.text()
    assert.ok(text.endsWith('data: [DONE]\n\n'))
    assert.ok(!text.includes('"usage"'))
  })

  await t.test('a history that is given is the context', async () => {
    const x = await client.chat.completions.create({ model: 'companion', messages: [
      { role: 'system', content: 'You are brief.' }, { role: 'user', content: 'Hello!' },
      { role: 'assistant', content: 'Hi.' }, { role: 'user', content: 'I walked to the sea today.' }] })
    assert.ok(x.choices[0].message.content.length > 0)
  })

  await t.test('turns of nobody do not meet, whatever trace they are made in', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    for (let round = 0; round < 5; ++round) {
      const all = await Promise.all(Array.from({ length: 24 }, (_, i) => node.call('POST', '/v1/chat/completions',
        { model: 'companion', messages: [{ role: 'user', content: `Hello ${i}` }] }, { traceparent })))
      for (const x of all) assert.equal(x.status, 200, JSON.stringify(x.body))
    }
  })

  await t.test('nobody\'s turn leaves no memory', async () => {
    const x = await client.chat.completions.create({ model: 'companion', messages: hello })
    assert.equal(x.sotto.memory_stored, false)
    assert.deepEqual(x.sotto.memories, [])
  })

  await t.test('the header Sotto-User names the owner too', async () => {
    await client.chat.completions.create({ model: 'companion', messages: hello },
      { headers: { 'Sotto-User': 'cy' } })
    assert.equal((await node.memories('cy')).length, 2)
  })

  await t.test('retries by one key get one turn, while it runs and after', async () => {
    const say = () => client.chat.completions.create(
      { model: 'companion', user: 'dot', messages: hello },
      { headers: { 'Idempotency-Key': 'turn-1' } })
    const [a, b] = await Promise.all([say(), say()])
    const c = await say()
    assert.equal(b.choices[0].message.content, a.choices[0].message.content)
    assert.equal(c.choices[0].message.content, a.choices[0].message.content)
    assert.equal((await node.memories('dot')).length, 2)
  })

  await t.test('the models list personas and the embedder', async () => {
    const ids = []
    for await (const x of client.models.list()) ids.push(x.id)
    assert.ok(ids.includes('companion'))
    assert.ok(ids.includes('sotto-sif-100d'))
  })

  await t.test('embeddings are unit vectors, near for near meanings, equal as base64', async () => {
    const input = ['The dog sleeps in the garden.', 'A puppy naps on the lawn.', 'Interest rates rose again.']
    const asked = await client.embeddings.create({ model: 'sotto-sif-100d', input, encoding_format: 'float' })
    const [a, b, c] = asked.data.map((x) => x.embedding)
    const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0)
    assert.equal(a.length, 100)
    assert.ok(Math.abs(dot(a, a) - 1) < 1e-3)
    assert.ok(dot(a, b) > dot(a, c) + 0.1)
    const packed = await client.embeddings.create({ model: 'sotto-sif-100d', input }) // base64 on the wire
    packed.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - a[i]) < 1e-6))
    assert.deepEqual(asked.data.map((x) => x.index), [0, 1, 2])
  })
})

test('the OpenAI client gets errors in its own shape', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_body=64KiB', 'gateway.max_text=1KiB'] })
  const client = clientOf(node)
  const ask = (more) => client.chat.completions.create({ model: 'companion', messages: hello, ...more })
  const refused = async (promise, status, param) => {
    const error = await promise.then(() => assert.fail('was not refused'), (x) => x)
    assert.ok(error instanceof OpenAI.APIError, String(error))
    assert.equal(error.status, status)
    assert.ok(error.error.message.length > 0 && error.error.type.length > 0)
    if (param !== undefined) assert.equal(error.param, param)
    return error
  }

  await t.test('an unknown model is 404', async () => {
    assert.ok(await refused(ask({ model: 'nobody' }), 404, 'model') instanceof OpenAI.NotFoundError)
    await refused(client.embeddings.create({ model: 'nobody', input: 'x' }), 404, 'model')
  })

  await t.test('wrong fields are 400 and named', async () => {
    await refused(ask({ messages: [] }), 400, 'messages')
    await refused(ask({ messages: 'hello' }), 400, 'messages')
    await refused(ask({ messages: [{ role: 'king', content: 'x' }] }), 400, 'messages[0].role')
    await refused(ask({ messages: [{ role: 'user', content: 7 }] }), 400, 'messages[0].content')
    await refused(ask({ messages: [{ role: 'user', content: '' }] }), 400, 'messages')
    await refused(ask({ temperature: 'hot' }), 400, 'temperature')
    await refused(ask({ temperature: 3 }), 400, 'temperature')
    await refused(ask({ n: 2 }), 400, 'n')
    await refused(ask({ stream: 'yes' }), 400, 'stream')
    await refused(ask({ user: { name: 'ada' } }), 400, 'user')
    await refused(ask({ user: 'u'.repeat(5000) }), 400, 'user')
    await refused(ask({ tools: [{ type: 'function', function: { name: 'f' } }] }), 400, 'tools')
    await refused(client.embeddings.create({ model: 'sotto-sif-100d', input: [1, 2] }), 400, 'input')
  })

  await t.test('what is no JSON is 400', async () => {
    for (const body of ['{"model":', '', 'null', '[]', '"x"', '{"a":1}x', '\xff\xfe', '['.repeat(5000)]) {
      const x = await node.call('POST', '/v1/chat/completions', body)
      assert.equal(x.status, 400, body.slice(0, 20))
      assert.equal(x.body.error.type, 'invalid_request_error')
    }
  })

  await t.test('bytes that are no UTF-8 are 400', async () => {
    const body = Buffer.concat([Buffer.from('{"messages":[{"role":"user","content":"'),
      Buffer.from([0xc3, 0x28]), Buffer.from('"}]}')])
    const x = await node.get('/v1/chat/completions', { method: 'POST', body })
    assert.equal(x.status, 400)
  })

  await t.test('too much is refused: the body with 413, the text as a field', async () => {
    await refused(ask({ messages: [{ role: 'user', content: 'x'.repeat(100_000) }] }), 413)
    const error = await refused(ask({ messages: [{ role: 'user', content: 'x'.repeat(2000) }] }), 400)
    assert.match(error.param, /content/)
  })

  await t.test('an unknown path is 404, an unknown method 405', async () => {
    assert.equal((await node.call('POST', '/v1/nothing', {})).status, 404)
    assert.equal((await node.call('GET', '/v1/nothing')).status, 404)
    assert.equal((await node.call('PUT', '/v1/chat/completions', {})).status, 405)
  })

  await t.test('a wrong level is 400 and a right one is served', async () => {
    const body = { model: 'companion', messages: hello }
    assert.equal((await node.call('POST', '/v1/chat/completions', body, { 'Sotto-Priority': 'asap' })).status, 400)
    assert.equal((await node.call('POST', '/v1/chat/completions', body, { 'Sotto-Priority': 'high' })).status, 200)
  })

  await t.test('the node serves on', async () => {
    assert.equal((await ask({})).choices.length, 1)
  })
})

test('an array of emotions is answered in its order, however it was split', async (t) => {
  const node = await Node.start(t)
  const kinds = ['I am so happy!', 'This makes me furious', 'The table is brown', 'caf\u00e9 \ud83d\ude00 \u0000']
  const one = []
  for (const input of kinds) {
    const x = await node.call('POST', '/v1/emotions', { input })
    assert.equal(x.status, 200)
    assert.equal(x.body.data.length, 1)
    one.push(x.body.data[0])
  }
  for (const size of [2, 255, 256, 1001, 10_000]) {
    const input = Array.from({ length: size }, (_, i) => kinds[(i * 7) % 4])
    const x = await node.call('POST', '/v1/emotions', { input })
    assert.equal(x.body.object, 'list')
    assert.deepEqual(x.body.data, input.map((_, i) => one[(i * 7) % 4]))
  }
  const wrong = await node.call('POST', '/v1/emotions', { input: Array(10_001).fill('x') })
  assert.equal(wrong.status, 400)
  assert.equal(wrong.body.error.param, 'input')
})
