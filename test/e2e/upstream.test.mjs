// A provider behind the node: replies, streams, faults, keys, and clients that hang up.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import OpenAI from 'openai'
import { Node, freePort, tempFolder, until } from './node.mjs'
import { startUpstream } from './upstream.mjs'

const models = ['echo', 'slow', 'cut-stream', 'error-500', 'rate-limited', 'garbage', 'stall']

/** A deployment and a persona for every behaviour of the upstream. */
function config(url, more = '', each = '') {
  return more + models.map((x) => `
[[llm.deployments]]
name = "${x}"
base_url = "${url}"
model = "${x}"
header_timeout = "2s"
idle_timeout = "2s"
timeout = "8s"
${each}
[[personas]]
name = "p-${x}"
system_prompt = "You are the persona ${x}."
llm = ["${x}"]
`).join('')
}

async function start(t, options = {}) {
  const upstream = await startUpstream(options)
  t.after(() => upstream.close())
  return upstream
}

test('a provider answers turns', async (t) => {
  const upstream = await start(t, { key: 'secret-key' })
  const node = await Node.start(t, {
    config: config(upstream.url, '', 'api_key_env = "E2E_KEY"'), env: { E2E_KEY: 'secret-key' } })
  const client = new OpenAI({ baseURL: `${node.url}/v1`, apiKey: 'unused', maxRetries: 0 })
  const ask = (model, content, more = {}) =>
    client.chat.completions.create({ model, messages: [{ role: 'user', content }], ...more })

  await t.test('plain, with its usage and the persona\'s system prompt', async () => {
    const x = await ask('p-echo', 'Hello upstream.', { user: 'ada', temperature: 0.5, max_tokens: 50 })
    assert.match(x.choices[0].message.content, /^You said: Hello upstream\./)
    assert.equal(x.usage.prompt_tokens, 7)
    const { body } = upstream.stats.last
    assert.match(body.messages[0].content, /You are the persona echo\./)
    assert.equal(body.temperature, 0.5)
    assert.equal(body.max_tokens, 50)
    assert.ok(!JSON.stringify(body).includes('"user":"ada"'), 'the provider is told who the user is')
  })

  await t.test('streamed word by word', async () => {
    const stream = await ask('p-slow', 'One two.', { user: 'bo', stream: true })
    const times = []
    let text = ''
    for await (const x of stream) {
      if (!x.choices[0]?.delta?.content) continue
      text += x.choices[0].delta.content
      times.push(Date.now())
    }
    assert.match(text, /^You said: One two\./)
    assert.ok(times.length > 5)
    assert.ok(times.at(-1) - times[0] > 500, 'the stream came at once: it was gathered on the way')
    assert.deepEqual((await node.memories('bo')).map((x) => x.text), ['One two.', text])
  })

  await t.test('with what was recalled, and what was said before', async () => {
    await ask('p-echo', 'My cat is called Mirabelle.', { user: 'cy' })
    await client.chat.completions.create({ model: 'p-echo', user: 'cy',
      messages: [{ role: 'user', content: 'What is my cat called?' }] },
    { headers: { 'Sotto-Conversation': 'another' } })
    const { messages } = upstream.stats.last.body
    assert.ok(messages.some((x) => x.role === 'system' && x.content.includes('Mirabelle')))
    await ask('p-echo', 'And in this conversation?', { user: 'cy' })
    assert.ok(upstream.stats.last.body.messages.some((x) => x.role === 'user' && x.content.includes('Mirabelle')))
  })

  await t.test('a deployment named by the client is passed through without memory', async () => {
    const x = await ask('echo/echo', 'Straight through.', { user: 'di' })
    assert.equal(x.choices[0].message.content, 'You said: Straight through. (1 messages, 0 of system)')
    assert.deepEqual(upstream.stats.last.body.messages, [{ role: 'user', content: 'Straight through.' }])
    assert.deepEqual(await node.memories('di'), [])
    const stream = await ask('echo/echo', 'Straight.', { stream: true })
    let text = ''
    for await (const y of stream) text += y.choices[0]?.delta?.content ?? ''
    assert.equal(text, 'You said: Straight. (1 messages, 0 of system)')
    const ids = []
    for await (const y of client.models.list()) ids.push(y.id)
    assert.ok(ids.includes('echo/echo') && ids.includes('p-echo'))
  })
})

test('faults of a provider become errors of the turn', async (t) => {
  const upstream = await start(t)
  const node = await Node.start(t, { config: config(upstream.url) })
  const client = new OpenAI({ baseURL: `${node.url}/v1`, apiKey: 'unused', maxRetries: 0 })
  const ask = (model, more = {}) =>
    client.chat.completions.create({ model, user: 'ada', messages: [{ role: 'user', content: 'Hi' }], ...more })
  const failure = (promise) => promise.then(() => assert.fail('did not fail'), (x) => x)

  for (const [model, statuses] of [['p-error-500', [502]], ['p-garbage', [502]], ['p-cut-stream', [502]],
    ['p-rate-limited', [429, 502, 503]], ['p-stall', [502, 504]]]) {
    await t.test(`${model} plain`, async () => {
      const x = await failure(ask(model))
      assert.ok(statuses.includes(x.status), `${x.status}: ${x.message}`)
      assert.ok(x.error?.message, 'an error has a message')
    })
  }

  await t.test('a stream that breaks tells the client', async () => {
    const x = await failure((async () => {
      let text = ''
      for await (const y of await ask('p-cut-stream', { stream: true })) text += y.choices[0]?.delta?.content ?? ''
      return text
    })())
    assert.ok(x instanceof Error)
  })

  await t.test('what failed is not remembered as a reply', async () => {
    const stored = await node.memories('ada')
    assert.ok(stored.every((x) => x.speaker === 'ada'), JSON.stringify(stored))
  })

  await t.test('other deployments are not touched', async () => {
    assert.match((await ask('p-echo')).choices[0].message.content, /^You said: Hi/)
  })
})

test('the next deployment answers when the first fails', async (t) => {
  const upstream = await start(t)
  const node = await Node.start(t, { config: config(upstream.url) + `
[[personas]]
name = "two"
llm = ["error-500", "echo"]
[[llm.deployments]]
name = "nowhere"
base_url = "http://127.0.0.1:${await freePort()}/v1"
model = "echo"
[[personas]]
name = "three"
llm = ["nowhere", "echo"]
` })
  for (const model of ['two', 'three'])
    assert.match((await node.say('ada', 'Hi', { model })).choices[0].message.content, /^You said: Hi/)
})

test('without any provider left the builtin responder may answer', async (t) => {
  const upstream = await start(t)
  const node = await Node.start(t, { config: config(upstream.url, '[llm]\nbuiltin_fallback = true\n') })
  const x = await node.say('ada', 'Hello!', { model: 'p-error-500' })
  assert.equal(x.model, 'builtin')
  assert.ok(x.choices[0].message.content.length > 0)
})

test('a client that hangs up cancels the turn down to the provider', async (t) => {
  const upstream = await start(t, { pace: 400 })
  const node = await Node.start(t, { config: config(upstream.url) })
  for (const stream of [true, false]) {
    const before = upstream.stats.aborted
    const leave = new AbortController()
    const asked = fetch(`${node.url}/v1/chat/completions`, { method: 'POST', signal: leave.signal,
      body: JSON.stringify({ model: 'p-slow', user: 'ada', stream,
        messages: [{ role: 'user', content: 'A long story, please.' }] }) })
      .then((x) => x.text()).catch(() => {})
    await until('the provider works', () => upstream.stats.running === 1)
    leave.abort()
    await asked
    await until('the provider\'s socket was closed', () => upstream.stats.aborted === before + 1, 3000)
  }
  assert.match((await node.say('ada', 'Hi', { model: 'p-echo' })).choices[0].message.content, /^You said/)
})

test('keys may stand in a file, and are never shown', async (t) => {
  const upstream = await start(t, { key: 'file-key' })
  const file = path.join(tempFolder(t), 'key')
  fs.writeFileSync(file, 'file-key\n', { mode: 0o600 })
  const node = await Node.start(t, { config: config(upstream.url, '', `api_key_file = "${file}"`) })
  await node.say('ada', 'Hi', { model: 'p-echo' })
  await node.stop()
  assert.ok(!node.stderr.includes('file-key'))
  const wrong = await Node.start(t, {
    config: config(upstream.url, '', 'api_key_env = "E2E_KEY"'), env: { E2E_KEY: 'another-key' } })
  const x = await wrong.call('POST', '/v1/chat/completions',
    { model: 'p-echo', messages: [{ role: 'user', content: 'Hi' }] })
  assert.ok(x.status >= 500, String(x.status))
  await wrong.stop()
  assert.ok(!(wrong.stderr + JSON.stringify(x.body)).includes('another-key'))
})
