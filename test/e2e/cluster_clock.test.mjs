// Nodes whose clocks are wrong: leases are the database's time, so nothing is lost or served twice.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Checker } from './checker.mjs'
import { Cluster } from './cluster_nodes.mjs'
import { pause } from './node.mjs'

// Installed by scripts/setup test; the clock that intervals are taken from stays as it is.
const library = fs.readdirSync('/usr/lib').map((x) => `/usr/lib/${x}/faketime/libfaketimeMT.so.1`).find(fs.existsSync)
const clock = (by) => ({ prefix: ['env', `LD_PRELOAD=${library}`, `FAKETIME=${by}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1'] })
const hour = 3_600_000

test('nodes whose clocks are hours apart share, lose and take over as others do', async (t) => {
  assert.ok(library, 'libfaketime is not installed; scripts/setup test does that')
  const cluster = await Cluster.open(t)
  const offsets = { n1: 0, n2: 2 * hour, n3: -hour / 2 }
  await Promise.all([cluster.start('n1'), cluster.start('n2', clock('+2h')), cluster.start('n3', clock('-30m'))])
  for (const [name, by] of Object.entries(offsets)) {
    const written = Date.parse(cluster.log(name).match(/^\S+Z/m)[0])
    assert.ok(Math.abs(written - Date.now() - by) < hour / 4, `${name} writes its log at ${new Date(written).toISOString()}`)
  }
  const enough = (n) => n >= 60
  await cluster.settled('n1', { n1: enough, n2: enough, n3: enough })
  const checker = new Checker({ data: cluster.data, users: 8, seed: 52 })
  checker.start()
  await pause(1000)
  // The one that is ahead dies, and comes back.
  await cluster.kill('n2')
  await cluster.settled('n1', { n1: enough, n3: enough })
  await cluster.start('n2', clock('+2h'))
  await cluster.settled('n1', { n2: enough })
  // The one that is behind is stopped for longer than its lease.
  const { child } = cluster.running.get('n3')
  child.kill('SIGSTOP')
  await cluster.settled('n1', { n1: (n) => n >= 100, n2: (n) => n >= 100 })
  child.kill('SIGCONT')
  await pause(1000)
  await checker.stop()
  assert.deepEqual(await checker.check(), [], checker.last)
  assert.ok(checker.summary().turns > 20, JSON.stringify(checker.summary()))
})
