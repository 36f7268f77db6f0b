// A process that dies is told of by its watcher. Leases are long here: what others take over before
// they end was given up, and nothing else can have been.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Checker } from './checker.mjs'
import { Cluster } from './cluster_nodes.mjs'
import { pause, run, until } from './node.mjs'

const third = (n) => n >= 80
const none = (n) => n === 0

const lines = (file) => {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return '' // it has ended
  }
}
/** Any thread of a node may have started it. */
const watchers = (pid) =>
  fs.readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => lines(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean))
    .map(Number)
    .filter((x) => lines(`/proc/${x}/cmdline`).split('\0')[1] === 'watcher')

test('the place of a killed node is given up at once, that of a paused one is not', async (t) => {
  const cluster = await Cluster.open(t, { set: ['cluster.lease=90s', 'cluster.hold=20s'] })
  const [, n2] = await Promise.all(['n1', 'n2', 'n3'].map((x) => cluster.start(x)))
  await cluster.settled('n1', { n1: third, n2: third, n3: third })
  const checker = new Checker({ data: cluster.data, users: 8, seed: 41 })
  checker.start()
  await pause(500)

  await t.test('killed with -9', async () => {
    const was = performance.now()
    await cluster.kill('n3')
    await cluster.settled('n1', { n1: (n) => n >= 120, n2: (n) => n >= 120, n3: none })
    t.diagnostic(`taken over after ${Math.round(performance.now() - was)} ms`)
    const now = await cluster.view('n1')
    assert.ok(!now.nodes.some((x) => x.name === 'n3'))
    assert.deepEqual(now.departures.map(({ name, why }) => [name, why]), [['n3', 'died']])
    const { stdout } = await run(['cluster', 'status', '--url', cluster.running.get('n1').http])
    assert.match(stdout, /^n3 +died +20\S+Z +gone$/m)
  })

  await t.test('started again it does not wait for a lease', async () => {
    await cluster.start('n3')
    await cluster.settled('n1', { n1: third, n2: third, n3: third })
  })

  await t.test('paused', async () => {
    const epochs = async () => (await cluster.view('n1')).partitions.map((p) => `${p.node} ${p.epoch}`).join()
    const before = await epochs()
    process.kill(n2.pid, 'SIGSTOP')
    try {
      await pause(3000)
      assert.equal(await epochs(), before)
      assert.equal(watchers(n2.pid).length, 1)
    } finally {
      process.kill(n2.pid, 'SIGCONT')
    }
    await until('it goes on', () => fetch(`${n2.http}/readyz`).then((x) => x.status === 200, () => false))
    assert.equal(await epochs(), before)
  })

  await t.test('a watcher that is killed is followed by another', async () => {
    const [first] = watchers(n2.pid)
    process.kill(first, 'SIGKILL')
    const [second] = await until('another watcher', () => {
      const now = watchers(n2.pid)
      return now.length === 1 && now[0] !== first && now
    })
    assert.equal((await cluster.view('n1')).nodes.find((x) => x.name === 'n2').state, 'up')
    await until('it waits', () => cluster.figure('n2', 'sotto_cluster_watched').then((x) => x === 1))
    await cluster.kill('n2')
    await cluster.settled('n1', { n1: (n) => n >= 120, n2: none })
    await until('it has ended', () => !fs.existsSync(`/proc/${second}`))
  })

  await t.test('SIGTERM ends it with its node', async () => {
    const n3 = cluster.running.get('n3')
    const [watcher] = watchers(n3.pid)
    n3.child.kill('SIGTERM')
    assert.deepEqual(await n3.exited, { code: 0, signal: null })
    assert.ok(!fs.existsSync(`/proc/${watcher}`))
    await cluster.settled('n1', { n1: (n) => n === 256, n3: none })
    cluster.running.delete('n3')
    const [last] = (await cluster.view('n1')).departures
    assert.deepEqual([last.name, last.why], ['n3', 'left'])
  })

  await checker.stop()
  assert.deepEqual(await checker.check(), [], checker.last)

  await t.test('cluster.watcher = false', async () => {
    const n4 = await cluster.start('n4', { set: ['cluster.watcher=false'] })
    assert.deepEqual(watchers(n4.pid), [])
  })
})
