// Links that are cut in one direction only. Every node has a network namespace of its own.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { Checker } from './checker.mjs'
import { Cluster } from './cluster_nodes.mjs'
import { pause, until } from './node.mjs'
import { testInOwnNetwork } from './own_network.mjs'

const ip = (...args) => execFileSync('ip', args)
const address = (i) => `10.77.0.${i}`

/** A namespace with an address on the bridge. `cut` drops what it sends to another. */
class Place {
  static async open(t, i) {
    const place = new Place()
    const child = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    place.enter = ['nsenter', '-t', String(child.pid), '-n']
    const ours = execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' })
    await until('the namespace', () =>
      spawnSync('readlink', [`/proc/${child.pid}/ns/net`], { encoding: 'utf8' }).stdout !== ours)
    ip('link', 'add', `v${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(child.pid))
    ip('link', 'set', `v${i}`, 'master', 'br0', 'up')
    place.ip('addr', 'add', `${address(i)}/24`, 'dev', 'eth0')
    for (const x of ['eth0', 'lo']) place.ip('link', 'set', x, 'up')
    return place
  }

  ip(...args) {
    execFileSync(this.enter[0], [...this.enter.slice(1), 'ip', ...args])
  }

  cut(i) {
    this.ip('route', 'add', 'blackhole', `${address(i)}/32`)
  }

  heal(i) {
    this.ip('route', 'del', 'blackhole', `${address(i)}/32`)
  }
}

testInOwnNetwork('a link that is cut in one direction loses nothing, and nobody is taken over for it', import.meta.url, async (t) => {
  ip('link', 'set', 'lo', 'up')
  ip('link', 'add', 'br0', 'type', 'bridge')
  ip('addr', 'add', `${address(254)}/24`, 'dev', 'br0')
  ip('link', 'set', 'br0', 'up')
  const places = { n1: await Place.open(t, 1), n2: await Place.open(t, 2), n3: await Place.open(t, 3) }
  const cluster = await Cluster.open(t, { set: ['cluster.hold=2s', 'gateway.open=true'] })
  await Promise.all(Object.entries(places).map(([name, x], i) =>
    cluster.start(name, { prefix: x.enter, host: address(i + 1), port: 7700 })))
  const third = (n) => n >= 85
  await cluster.settled('n1', { n1: third, n2: third, n3: third })
  const linked = async () => (await cluster.linked('n1', 'n2')) && (await cluster.linked('n2', 'n1'))
  await until('n1 and n2 are linked', linked)
  const epochs = async () => (await cluster.view('n3')).partitions.map((p) => `${p.node} ${p.epoch}`).join()
  for (const [from, to, i] of [['n1', 'n2', 2], ['n2', 'n1', 1]]) {
    const before = await epochs()
    const checker = new Checker({ data: cluster.data, users: 8, seed: 30 + i, patience: 4000 })
    checker.start()
    await pause(500)
    const was = performance.now()
    places[from].cut(i)
    await until(`${from} and ${to} know`, async () =>
      (await cluster.linked('n1', 'n2')) === false && (await cluster.linked('n2', 'n1')) === false)
    console.log(`diagnostic: ${from} -> ${to} is cut: known after ${Math.round(performance.now() - was)} ms`)
    // A lost link is no reason to take anything from anybody, for longer than any lease.
    await pause(4000)
    assert.ok((await epochs()) === before, 'a partition changed its owner')
    assert.equal(await cluster.figure('n1', 'sotto_link_up', 'peer="n2"'), 0)
    places[from].heal(i)
    await until('they are linked again', linked)
    await pause(300)
    await until('enough was said', () => checker.summary().turns > 20, 60_000)
    await checker.stop()
    assert.deepEqual(await checker.check(), [], checker.last)
    console.log(`diagnostic: ${JSON.stringify(checker.summary())}`)
  }
})
