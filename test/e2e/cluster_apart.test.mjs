// Nodes that are cut off from the others and from the database, while frontends still reach them
// (scripts/cluster start --apart yes).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Checker } from './checker.mjs'
import { servicesFolder } from './cluster_nodes.mjs'
import { pause, program, until } from './node.mjs'
import { testInOwnNetwork } from './own_network.mjs'

const script = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../scripts/cluster')

/** Connections that a process's network has to the port, or to the host. */
function connected(pid, port, host) {
  const hex = (x, digits) => x.toString(16).toUpperCase().padStart(digits, '0')
  const there = host?.split('.').reverse().map((x) => hex(+x, 2)).join('')
  return fs.readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1).filter((line) => {
    const [, , remote, state] = line.trim().split(/\s+/)
    return state === '01' && (host ? remote.startsWith(there) : remote.endsWith(`:${hex(port, 4)}`))
  }).length
}

testInOwnNetwork('a node that is cut off loses nothing, whatever way is cut', import.meta.url, async (t) => {
  const folder = servicesFolder()
  const cluster = (...args) =>
    promisify(execFile)(script, [...args, '--data', folder], { env: { ...process.env, SOTTO_BIN: program } })
  t.after(async () => {
    await cluster('stop')
    fs.rmSync(folder, { recursive: true, force: true })
  })
  await cluster('start', '3', '--base-port', '9700', '--apart', 'yes')
  const nodes = () => JSON.parse(fs.readFileSync(path.join(folder, 'nodes.json'), 'utf8'))
  const http = (name) => nodes().find((x) => x.name === name).http
  const view = (name) => fetch(`${http(name)}/v1/admin/cluster`, { signal: AbortSignal.timeout(2000) })
    .then((x) => x.json(), () => null)
  const shared = () => until('every node has a share', async () => {
    const x = await view('n1')
    return x?.moving === 0 && x.nodes.every((n) => n.state === 'up' && n.partitions > 60)
  }, 60_000)
  await shared()
  for (const [i, way] of ['out', 'in', 'both'].entries()) {
    const checker = new Checker({ data: folder, users: 12, seed: 60 + i, patience: 2000 })
    checker.start()
    await pause(1000)
    await cluster('cut', 'n2', '--way', way)
    await until(`others have what n2 had (${way})`, async () => {
      const x = await view('n3')
      return x?.moving === 0 && !x.nodes.find((n) => n.name === 'n2')?.partitions
    }, 30_000)
    // Frontends reach it still, and it knows that it is out.
    assert.equal((await fetch(`${http('n2')}/livez`)).status, 200)
    await until('n2 is not ready', () => fetch(`${http('n2')}/readyz`).then((x) => x.status === 503))
    // Neither side waits for what was sent into the cut, which would be sent again ever more rarely.
    const n2 = nodes().find((x) => x.name === 'n2')
    await until('n2 has left its connections', () => connected(n2.pid, 5432) === 0, 10_000)
    await until('the database has left them', () =>
      connected(fs.readFileSync(`${folder}/apart/253`, 'utf8').trim(), undefined, new URL(n2.http).hostname) === 0, 10_000)
    await cluster('heal', 'n2')
    await shared()
    await checker.stop()
    assert.deepEqual(await checker.check(), [], checker.last)
    console.log(`diagnostic: cut ${way}: ${JSON.stringify(checker.summary().waits)}`)
  }
})
