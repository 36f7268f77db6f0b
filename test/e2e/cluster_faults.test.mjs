// Clusters whose database, certificates, peers or disk fail.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Checker } from './checker.mjs'
import { Cluster, PostgresProxy, postgresIn, servicesFolder } from './cluster_nodes.mjs'
import { Node, pause, until } from './node.mjs'

const third = (n) => n >= 80
const half = (n) => n >= 120
const none = (n) => n === 0

/** Three nodes that share everything. */
async function three(t, options) {
  const cluster = await Cluster.open(t, options)
  await Promise.all(['n1', 'n2', 'n3'].map((x) => cluster.start(x, options?.nodes?.[x])))
  await cluster.settled('n1', { n1: third, n2: third, n3: third })
  return cluster
}

async function checked(checker) {
  await until('enough was said', () => checker.summary().turns > 20, 60_000)
  await checker.stop()
  assert.deepEqual(await checker.check(), [], checker.last)
}

const search = (url, user) =>
  fetch(`${url}/v1/memories/search`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, signal: AbortSignal.timeout(10_000),
    body: JSON.stringify({ user, query: 'windy day', k: 3 }),
  }).then(async (x) => ({ status: x.status, body: await x.json() }))

const remember = (url, user, id) =>
  fetch(`${url}/v1/memories`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user, id, text: `${id}, on a windy day` }),
  }).then((x) => x.status)

test('a cluster outlives restarts of PostgreSQL, a death while a node joins, and strangers', async (t) => {
  const cluster = await three(t, { set: ['cluster.hold=2s'] })

  await t.test('PostgreSQL restarted under load', async () => {
    const checker = new Checker({ data: cluster.data, users: 8, seed: 21 })
    checker.start()
    await pause(700)
    cluster.services('stop', 'postgres')
    cluster.services('start', 'postgres')
    await pause(700)
    // Away for longer than a lease: nobody serves, not even from memory, until it is back.
    cluster.services('stop', 'postgres')
    await pause(2500)
    for (const { http } of cluster.running.values()) {
      assert.equal((await fetch(`${http}/readyz`)).status, 503)
      const found = await search(http, checker.users[0].name)
      assert.equal(found.status, 503, JSON.stringify(found.body))
    }
    cluster.services('start', 'postgres')
    await cluster.settled('n2', { n1: third, n2: third, n3: third })
    await pause(300)
    await checked(checker)
  })

  await t.test('one node dies while another joins', async () => {
    const checker = new Checker({ data: cluster.data, users: 8, seed: 22 })
    checker.start()
    await pause(500)
    await Promise.all([cluster.kill('n3'), cluster.launch('n4')])
    await cluster.settled('n1', { n3: none, n4: third })
    await pause(300)
    await checked(checker)
  })

  await t.test('random bytes at the cluster ports', async () => {
    const lost = ['n1', 'n2', 'n4'].map((x) => cluster.log(x).split('is not linked any more').length)
    await until('all links', () => cluster.linked('n1', 'n2'))
    const checker = new Checker({ data: cluster.data, users: 6, seed: 23 })
    checker.start()
    const noise = async ({ cluster: where }) => {
      const [host, port] = where.split(':')
      for (let i = 0; i < 20; ++i) {
        const socket = net.connect(Number(port), host)
        socket.on('error', () => {})
        const closed = new Promise((done) => socket.once('close', done))
        const bytes = crypto.randomBytes(2000)
        if (i % 2) Buffer.from('160301000501000001ff', 'hex').copy(bytes) // a handshake that begins well
        socket.write(bytes)
        await Promise.race([closed, pause(50)])
        socket.destroy()
      }
    }
    await Promise.all([...cluster.running.values()].map(noise))
    await checked(checker)
    assert.deepEqual(['n1', 'n2', 'n4'].map((x) => cluster.log(x).split('is not linked any more').length), lost)
    assert.equal(await cluster.figure('n1', 'sotto_link_up', 'peer="n2"'), 1)
    assert.ok((await cluster.figure('n1', 'sotto_link_frames_total', 'peer="n2"', 'direction="in"')) > 0)
  })

  await t.test('a node of another authority is refused, unless it has a schema of its own', async () => {
    const foreign = await cluster.launch('m1', { certs: 'other-certs' })
    assert.deepEqual(await foreign.exited, { code: 1, signal: null })
    assert.match(cluster.log('m1'), /this is another cluster's database; give each cluster its own store\.schema/)
    cluster.running.delete('m1')
    const own = await cluster.start('m2', { certs: 'other-certs', set: ['store.schema=other'] })
    const mine = await cluster.settled('m2', { m2: (n) => n === 256 })
    assert.deepEqual(mine.nodes.map((x) => x.name), ['m2'])
    const put = (url, text) =>
      fetch(`${url}/v1/memories`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user: 'ada', id: 'x', text }),
      }).then((x) => assert.equal(x.status, 200))
    await put(own.http, 'of the other cluster, on a windy day')
    const [first] = cluster.running.values()
    assert.deepEqual((await search(first.http, 'ada')).body.results, [])
    assert.ok((await cluster.view('n1')).nodes.every((x) => x.name !== 'm1' && x.name !== 'm2'))
    await cluster.kill('m2')
  })
})

test('a node that is cut from PostgreSQL stops serving, and others take over', async (t) => {
  const cluster = await Cluster.open(t, { set: ['cluster.hold=1s'] })
  const proxy = await PostgresProxy.open(t, cluster)
  await Promise.all([cluster.start('n1', { set: [`store.url=${proxy.url}`] }), cluster.start('n2')])
  await cluster.settled('n2', { n1: half, n2: half })
  const readers = Array.from({ length: 10 }, (_, i) => `reader-${i}`)
  for (const user of readers) assert.equal(await remember(cluster.running.get('n1').http, user, 'before'), 200)
  const checker = new Checker({ data: cluster.data, users: 8, seed: 24 })
  checker.start()
  await pause(500)
  const was = performance.now()
  proxy.cut()
  await cluster.settled('n2', { n1: none })
  const took = performance.now() - was
  // By its lease n1 stopped before; it is not ready, and answers nothing from memory.
  const n1 = cluster.running.get('n1').http
  assert.equal((await fetch(`${n1}/readyz`)).status, 503)
  // What it still has a way to comes from n2, which alone knows what was written since.
  const n2 = cluster.running.get('n2').http
  let refused = 0
  for (const user of readers) {
    assert.equal(await remember(n2, user, 'after'), 200)
    const found = await search(n1, user)
    if (found.status === 200) assert.ok(found.body.results.some((x) => x.id === 'after'), user)
    else assert.equal(found.status, 503)
    refused += found.status === 503 ? 1 : 0
  }
  assert.ok(refused > 0, 'nothing was refused')
  assert.match(cluster.log('n1'), /partitions are lost: the lease ran out/)
  proxy.heal()
  await cluster.settled('n2', { n1: half })
  await pause(300)
  await checked(checker)
  t.diagnostic(`taken over after ${Math.round(took)} ms`)
})

test('a full disk at PostgreSQL: writes are refused, reads go on, and it heals', async (t) => {
  const folder = servicesFolder()
  const disk = path.join(folder, 'postgres')
  fs.mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m', 'tmpfs', disk], { stdio: 'pipe' })
  } catch (why) {
    fs.rmSync(folder, { recursive: true })
    return t.skip(`a small disk cannot be mounted here: ${String(why.stderr).trim()}`)
  }
  const script = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../scripts/services')
  const services = (command) => execFileSync(script, [command, folder, 'postgres'], { stdio: ['ignore', 'ignore', 'inherit'] })
  let node
  t.after(async () => {
    await node?.kill()
    services('stop')
    execFileSync('umount', ['-l', disk])
    fs.rmSync(folder, { recursive: true })
  })
  services('start')
  node = await Node.start(t, { set: [`store.url=${postgresIn(folder)}`, 'store.write_patience=500ms'] })
  const write = (id, size = 20_000) =>
    node.call('POST', '/v1/memories', { user: 'ada', id, text: `${id} of a windy day ${'x'.repeat(size)}` })
  assert.equal((await write('first', 10)).status, 200)
  const acknowledged = ['first']
  const fill = path.join(disk, 'fill')
  const filling = fs.openSync(fill, 'w')
  try {
    for (;;) fs.writeSync(filling, Buffer.alloc(1 << 20))
  } catch (why) {
    assert.equal(why.code, 'ENOSPC')
  } finally {
    fs.closeSync(filling) // what is removed while it is open keeps its room
  }
  let refused
  for (let i = 0; i < 2000 && !refused; ++i) {
    const x = await write(`m${i}`)
    if (x.status === 200) acknowledged.push(`m${i}`)
    else refused = x
  }
  assert.ok(refused, 'the disk never was full')
  assert.equal(refused.status, 503, JSON.stringify(refused.body))
  assert.match(refused.body.error.message, /No space left|free space on the database's disk|cannot be reached/)
  t.diagnostic(`refused: ${refused.body.error.message}`)
  const found = await node.call('POST', '/v1/memories/search', { user: 'ada', query: 'windy day', k: 3 })
  assert.equal(found.status, 200, JSON.stringify(found.body))
  assert.ok(found.body.results.length > 0)
  fs.rmSync(fill)
  services('start') // it ends where it finds no room for its log
  await until('writes are taken again', async () => {
    const x = await write('last', 10)
    if (x.status === 200) acknowledged.push('last')
    return x.status === 200
  }, 30_000)
  const kept = (await node.memories('ada')).map((x) => x.id)
  for (const id of acknowledged) assert.equal(kept.filter((x) => x === id).length, 1, id)
})
