// Embeddings by a provider that speaks OpenAI's protocol, with faults.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import test from 'node:test'
import { Node, run, tempFolder, until } from './node.mjs'

/** Words on one subject point the same way, whatever the words: what words alone cannot find. */
const subjects = [['dog', 'puppy', 'hound', 'barks'], ['boat', 'sail', 'harbour', 'yacht']]
const direction = (text, dimensions) => {
  const v = new Array(dimensions).fill(0)
  subjects.forEach((words, i) => words.forEach((w) => { if (text.includes(w)) v[i] += 1 }))
  if (v.every((x) => x === 0)) v[dimensions - 1] = 1
  return v
}

/** `fault` may answer instead: (request body, response) => true when it did. */
async function startProvider(t, { dimensions = 8, fault = () => false } = {}) {
  const seen = { calls: 0, texts: 0, keys: new Set(), largest: 0, fault }
  const server = http.createServer(async (request, response) => {
    let text = ''
    for await (const x of request) text += x
    const body = JSON.parse(text)
    seen.calls += 1
    seen.texts += body.input.length
    seen.largest = Math.max(seen.largest, body.input.length)
    seen.keys.add(request.headers.authorization)
    if (request.url !== '/v1/embeddings') return response.writeHead(404).end()
    if (seen.fault(body, response)) return
    // In reverse: the order is the index's, not the list's.
    const data = body.input.map((x, index) =>
      ({ object: 'embedding', index, embedding: direction(x, dimensions) })).reverse()
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ object: 'list', data, model: body.model }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.closeAllConnections(); server.close() })
  return { ...seen, seen, url: `http://127.0.0.1:${server.address().port}/v1` }
}

const settings = (provider, model = 'small') =>
  [`embedding.base_url=${provider.url}`, `embedding.model=${model}`, 'embedding.api_key_env=EMBED_KEY']
const env = { EMBED_KEY: 'key-of-the-test' }

async function metric(node, name) {
  const text = await (await node.get('/metrics')).text()
  return Number(text.split('\n').find((x) => x.startsWith(name + ' '))?.split(' ')[1] ?? 0)
}

const search = async (node, query) => (await node.call('POST', '/v1/memories/search',
  { user: 'ada', query, k: 3 })).body.results.map((x) => x.text)

test('memories are found by what the provider says they mean, also after a restart', async (t) => {
  const provider = await startProvider(t)
  const data = tempFolder(t)
  const first = await Node.start(t, { data, set: settings(provider), env })
  const told = ['Rex barks at night', 'We left the harbour at dawn', 'The soup was cold']
  const x = await first.call('POST', '/v1/memories', told.map((text) => ({ user: 'ada', text })))
  assert.equal(x.status, 200)
  await until('they are embedded', async () => (await search(first, 'my puppy'))[0] === told[0])
  assert.deepEqual([...provider.seen.keys], ['Bearer key-of-the-test'])
  assert.ok(!first.stderr.includes('key-of-the-test'))

  const reply = await first.say('ada', 'I bought a yacht')
  assert.deepEqual(reply.sotto.degraded, [])
  assert.equal(reply.sotto.memories[0].text, told[1])
  // Both lines of the turn get their vectors too, and then there is nothing left to ask for.
  let before
  await until('all is embedded', async () => {
    const calls = provider.seen.calls
    const same = calls === before
    before = calls
    await new Promise((done) => setTimeout(done, 200))
    return same
  })
  await first.stop()

  const second = await Node.start(t, { data, set: settings(provider), env })
  assert.equal((await search(second, 'a hound'))[0], told[0])
  assert.equal(provider.seen.calls, before + 1, 'only the question was embedded: the rest is stored')
  await second.stop()

  await t.test('and another embedder never sees the old vectors', async () => {
    const other = await startProvider(t, { dimensions: 5 })
    const third = await Node.start(t, { data, set: settings(other, 'large'), env })
    await until('they are embedded anew', async () => (await search(third, 'a hound'))[0] === told[0])
    assert.ok(other.seen.texts >= 5)
    await third.stop()
    const fourth = await Node.start(t, { data })
    assert.equal((await fourth.memories('ada')).length, 5)
    assert.equal((await search(fourth, 'harbour'))[0], told[1]) // by the built-in one
  })
})

test('POST /v1/embeddings is the provider\'s, batched and cached', async (t) => {
  const provider = await startProvider(t)
  const node = await Node.start(t, { set: settings(provider), env })
  const input = Array.from({ length: 100 }, (_, i) => `text ${i % 90}`)
  const x = await node.call('POST', '/v1/embeddings', { model: 'small', input })
  assert.equal(x.status, 200)
  assert.equal(x.body.model, 'small')
  assert.equal(x.body.data.length, 100)
  assert.equal(x.body.data[7].embedding.length, 8)
  assert.equal(provider.seen.texts, 90, 'equal texts once')
  assert.ok(provider.seen.largest <= 32)
  await node.call('POST', '/v1/embeddings', { model: 'small', input })
  assert.equal(provider.seen.texts, 90, 'from the cache')
  assert.ok(await metric(node, 'sotto_embedding_cache_hits_total') >= 90)
  assert.equal((await node.call('POST', '/v1/embeddings', { model: 'sotto-sif-100d', input })).status, 404)
  const models = (await node.call('GET', '/v1/models')).body.data.map((y) => y.id)
  assert.ok(models.includes('small') && !models.includes('sotto-sif-100d'))
})

test('a poisonous text fails alone', async (t) => {
  const provider = await startProvider(t, { fault: (body, response) => {
    if (!body.input.some((x) => x.includes('poison'))) return false
    response.writeHead(400, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ error: { message: 'this text is not allowed' } }))
    return true
  } })
  const node = await Node.start(t, { set: [...settings(provider), 'embedding.max_in_flight=1'], env })
  const texts = Array.from({ length: 20 }, (_, i) => (i === 13 ? 'poison' : `text ${i}`))
  const answers = await Promise.all(texts.map((input) => node.call('POST', '/v1/embeddings', { input })))
  for (const [i, x] of answers.entries()) assert.equal(x.status, i === 13 ? 400 : 200)
  assert.ok(answers[13].body.error.message.includes('not allowed'))
  const array = await node.call('POST', '/v1/embeddings', { input: texts })
  assert.equal(array.status, 400)
  assert.equal(array.body.error.param, 'input[13]')
})

for (const [name, fault] of Object.entries({
  'too few vectors': (body, response) =>
    response.end(JSON.stringify({ data: [] })),
  'another dimension': (body, response) => response.end(JSON.stringify({
    data: body.input.map((_, index) => ({ index, embedding: [1, 2, 3] })) })),
  'no JSON': (body, response) => response.end('<html>'),
  'errors': (body, response) => response.writeHead(500).end('{}'),
  'a closed socket': (body, response) => response.destroy(),
}))
  test(`a provider that answers with ${name} leaves turns and memories whole`, async (t) => {
    const provider = await startProvider(t)
    const node = await Node.start(t, { set: [...settings(provider), 'embedding.retries=0'], env })
    await node.say('ada', 'Rex barks at night')
    provider.seen.fault = (body, response) => { fault(body, response); return true }
    const reply = await node.say('ada', 'What does Rex do at night?')
    assert.deepEqual(reply.sotto.degraded, ['embedding'])
    assert.equal(reply.sotto.memory_stored, true)
    assert.ok(reply.sotto.memories.some((x) => x.text === 'Rex barks at night'), 'found by its words')
    const x = await node.call('POST', '/v1/embeddings', { input: 'never seen' })
    assert.ok(x.status >= 500, `${x.status}`)
    provider.seen.fault = () => false
    await until('it is used again', async () =>
      (await node.call('POST', '/v1/embeddings', { input: `again ${Math.random()}` })).status === 200)
  })

test('what is configured wrongly is said', async (t) => {
  const x = await run(['config', 'check', '--set', 'embedding.base_url=http://localhost:1/v1'])
  assert.equal(x.code, 1)
  assert.ok((x.stderr + x.stdout).includes('embedding.model'))
  const provider = await startProvider(t)
  const node = await Node.start(t, { set: settings(provider) }) // without the key
  const y = await node.call('POST', '/v1/embeddings', { input: 'text' })
  assert.ok(y.status >= 500)
  assert.ok(y.body.error.message.includes('EMBED_KEY'))
})

test('sotto memory reembed brings all users to another embedder', async (t) => {
  const provider = await startProvider(t)
  const data = tempFolder(t)
  const first = await Node.start(t, { data, set: settings(provider), env })
  const users = Array.from({ length: 30 }, (_, i) => `user${i}`)
  await first.call('POST', '/v1/memories', users.flatMap((user) =>
    ['Rex barks at night', 'We left the harbour'].map((text) => ({ user, text: `${text}, ${user}` }))))
  await first.stop()

  const other = await startProvider(t, { dimensions: 5 })
  const second = await Node.start(t, { data, set: settings(other, 'large'), env })
  const x = await run(['memory', 'reembed', '--url', second.url, '--json'])
  assert.equal(x.code, 0, x.stderr)
  assert.deepEqual(JSON.parse(x.stdout), { state: 'done', users: 30, embedded: 60, left: 0 })
  assert.equal(other.seen.texts, 60)
  const again = await run(['memory', 'reembed', '--url', second.url])
  assert.equal(again.stdout, '30 users looked at, 0 memories embedded, 0 left without a vector\n')
  await second.stop()

  const third = await Node.start(t, { data })
  const none = await run(['memory', 'reembed', '--url', third.url])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /nothing to embed anew/)
  assert.equal((await third.call('GET', '/v1/admin/reembed')).status, 400)
})

test('nodes share vectors through Redis, and go on without it', async (t) => {
  const redis = process.env.SOTTO_TEST_REDIS
  assert.ok(redis, 'SOTTO_TEST_REDIS names the Redis to test with: eval "$(scripts/services start DIR)"')
  const provider = await startProvider(t)
  const prefix = `test-${process.pid}:`
  const embed = async (node, input) => {
    const x = await node.call('POST', '/v1/embeddings', { model: 'small', input })
    assert.equal(x.status, 200, JSON.stringify(x.body))
    return x.body.data.map((y) => y.embedding)
  }
  const first = await Node.start(t, { env, set: [...settings(provider), `cache.url=${redis}`, `cache.prefix=${prefix}`] })
  const vectors = await embed(first, ['a dog', 'a boat'])
  // Written behind the answer; another node finds it a moment later.
  await until('another node finds both', async () => {
    const other = await Node.start(t, { env, set: [...settings(provider), `cache.url=${redis}`, `cache.prefix=${prefix}`] })
    const before = provider.seen.texts
    assert.deepEqual(await embed(other, ['a dog', 'a boat']), vectors)
    return provider.seen.texts === before && (await metric(other, 'sotto_shared_cache_hits_total')) === 2
  })
  const alone = await Node.start(t, { env, set: [...settings(provider), 'cache.url=unix:/nonexistent/redis'] })
  const before = provider.seen.texts
  assert.deepEqual(await embed(alone, ['a dog', 'a boat']), vectors)
  assert.equal(provider.seen.texts, before + 2)
  assert.match(alone.stderr, /shared cache is not used/)
})

test('no tenant can tell by the cache what another embedded', async (t) => {
  const provider = await startProvider(t)
  const data = tempFolder(t)
  const keyOf = async (tenant) => {
    const x = await run(['keys', 'create', '--data', data, '--json', '--tenant', tenant, '--name', tenant])
    assert.equal(x.code, 0, x.stderr)
    return JSON.parse(x.stdout).key
  }
  const [acme, umbra] = [await keyOf('acme'), await keyOf('umbra')]
  const node = await Node.start(t, { data, set: settings(provider), env })
  const asked = async (key, input) => {
    const before = provider.seen.texts
    const x = await node.call('POST', '/v1/embeddings', { model: 'small', input }, { Authorization: `Bearer ${key}` })
    assert.equal(x.status, 200, JSON.stringify(x.body))
    return provider.seen.texts - before
  }
  assert.equal(await asked(acme, 'a secret dog'), 1)
  assert.equal(await asked(acme, 'a secret dog'), 0)
  assert.equal(await asked(umbra, 'a secret dog'), 1)
  assert.equal(await asked(umbra, 'a secret dog'), 0)
})
