// The Redis that nodes share is restarted under load: no turn fails, and it is used again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'node:test'
import { Checker } from './checker.mjs'
import { Cluster } from './cluster_nodes.mjs'
import { pause, until } from './node.mjs'

/** A provider of embeddings that notes what it was asked for. */
async function startProvider(t) {
  const asked = []
  const server = http.createServer(async (request, response) => {
    let text = ''
    for await (const x of request) text += x
    const { input, model } = JSON.parse(text)
    asked.push(...input)
    const data = input.map((x, index) => ({ object: 'embedding', index, embedding: [x.length % 7 + 1, x.length % 5, 1, 0] }))
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ object: 'list', data, model }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.closeAllConnections(); server.close() })
  return { asked, url: `http://127.0.0.1:${server.address().port}/v1` }
}

test('Redis restarted under load costs no turn, and is used again', async (t) => {
  const provider = await startProvider(t)
  const cluster = await Cluster.open(t, { kinds: ['postgres', 'redis'] })
  cluster.set.push(`embedding.base_url=${provider.url}`, 'embedding.model=small', 'cache.pause=200ms',
    `cache.url=unix:${cluster.data}/services/redis/socket`)
  const nodes = await Promise.all(['n1', 'n2'].map((x) => cluster.start(x)))
  await cluster.settled('n1', { n1: (n) => n >= 120, n2: (n) => n >= 120 })
  const embed = async ({ http }, text) => {
    const x = await fetch(`${http}/v1/embeddings`, { method: 'POST',
      headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'small', input: [text] }) })
    assert.equal(x.status, 200, await x.clone().text())
    return (await x.json()).data[0].embedding
  }
  let number = 0
  /** A text that one node has embedded is the other's without the provider. */
  const shared = () => until('vectors are shared', async () => {
    const text = `shared text ${++number}`
    const vector = await embed(nodes[0], text)
    await pause(50) // it is written behind the answer
    assert.deepEqual(await embed(nodes[1], text), vector)
    return provider.asked.filter((x) => x === text).length === 1
  })
  await shared()
  const checker = new Checker({ data: cluster.data, users: 8, seed: 51 })
  checker.start()
  let stop = false
  const embedding = nodes.map(async (node, i) => {
    for (let n = 0; !stop; ++n) {
      await embed(node, `text ${n} of ${i}`)
      await pause(5)
    }
  })
  for (let round = 0; round < 2; ++round) {
    await pause(500)
    cluster.services('stop', 'redis')
    await pause(1000)
    cluster.services('start', 'redis')
  }
  await shared()
  await pause(500)
  stop = true
  await Promise.all(embedding)
  await checker.stop()
  assert.deepEqual(await checker.check(), [], checker.last)
  assert.equal(checker.failed, 0, checker.last)
  assert.ok(checker.summary().turns > 20, JSON.stringify(checker.summary()))
  for (const { name } of nodes) {
    assert.ok((await cluster.figure(name, 'sotto_shared_cache_failures_total')) > 0, `${name} did not notice`)
    assert.match(cluster.log(name), /the shared cache is used again/)
  }
})
