// Several nodes over one PostgreSQL, started as an operator does.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { before, after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Checker } from './checker.mjs'
import { pause, program, run, until } from './node.mjs'

const script = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../scripts/cluster')
const execute = promisify(execFile)

/** So many free ports in a row, of them the lowest; and as many 500 above. */
async function freePorts(count) {
  const free = (port) => new Promise((done) => {
    const server = net.createServer()
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 10_000)
    const all = Array.from({ length: count + 1 }, (_, i) => [base + i, base + 500 + i]).flat()
    if ((await Promise.all(all.map(free))).every(Boolean)) return base
  }
}

let folder, base
const cluster = (...args) =>
  execute(script, [...args, '--data', folder], { env: { ...process.env, SOTTO_BIN: program } })
const nodes = () => JSON.parse(fs.readFileSync(path.join(folder, 'nodes.json'), 'utf8'))
const url = (i) => `http://127.0.0.1:${base + i}`
const json = async (to, method = 'GET', body = undefined) => {
  const x = await fetch(to, { method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })
  return { status: x.status, body: await x.json().catch(() => null) }
}
const view = async (i) => (await json(`${url(i)}/v1/admin/cluster`)).body
const counts = (x) => Object.fromEntries(x.nodes.map((n) => [n.name, n.partitions]))
/** Every partition has a live owner, and nothing moves any more. */
const settled = (x) => x && x.moving === 0 && x.partitions.every((p) => p.live)
const say = (i, user, text) =>
  json(`${url(i)}/v1/chat/completions`, 'POST',
    { model: 'companion', user, messages: [{ role: 'user', content: text }] })

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-cl-'))
  fs.chmodSync(folder, 0o755)
  base = await freePorts(4)
  await cluster('start', '3', '--base-port', String(base), '--set', 'log.level=info')
})

after(async () => {
  await cluster('stop')
  fs.rmSync(folder, { recursive: true, force: true })
})

test('three nodes share the partitions, and say so', async () => {
  assert.deepEqual(nodes().map((x) => x.name), ['n1', 'n2', 'n3'])
  const x = await until('an even share', async () => {
    const now = await view(2)
    return settled(now) && Object.values(counts(now)).every((n) => n > 50) && now
  }, 60_000)
  assert.equal(x.partitions.length, 256)
  assert.ok(x.nodes.every((n) => n.state === 'up'))
  await until('all links', async () => (await view(1)).nodes.filter((n) => n.name !== 'n1').every((n) => n.linked))
  const { code, stdout } = await run(['cluster', 'status', '--url', url(1)])
  assert.equal(code, 0)
  assert.match(stdout, /^n3 +up/m)
})

test('a conversation is the same through any node', async () => {
  for (let i = 1; i <= 3; ++i) {
    const x = await say(i, 'ada', `Line ${i}.`)
    assert.equal(x.status, 200, JSON.stringify(x.body))
  }
  for (let i = 1; i <= 3; ++i) {
    const { body } = await json(`${url(i)}/v1/memories?user=ada`)
    assert.deepEqual(body.results.filter((m) => m.speaker === 'ada').map((m) => m.text), ['Line 1.', 'Line 2.', 'Line 3.'])
  }
  const written = await json(`${url(3)}/v1/memories`, 'POST', { user: 'bo', id: 'm1', text: 'Bo likes boats.' })
  assert.equal(written.status, 200)
  const found = await json(`${url(1)}/v1/memories/search`, 'POST', { user: 'bo', query: 'boats', k: 3 })
  assert.equal(found.body.results[0].id, 'm1')
  const gone = await json(`${url(2)}/v1/users/bo`, 'DELETE')
  assert.equal(gone.status, 200)
  assert.equal((await json(`${url(3)}/v1/memories?user=bo`)).body.results.length, 0)
})

test('a user is forgotten in groups that live on all nodes', async () => {
  const groups = Array.from({ length: 10 }, (_, i) => `hall-${i}`)
  for (const [i, group] of groups.entries())
    for (const user of ['eve', 'bo']) {
      const x = await fetch(`${url(1 + i % 3)}/v1/chat/completions`, {
        method: 'POST', headers: { 'Content-Type': 'application/json', 'Sotto-Group': group },
        body: JSON.stringify({ model: 'companion', user, messages: [{ role: 'user', content: `${user} likes zeppelins.` }] }) })
      assert.equal(x.status, 200, await x.text())
    }
  const gone = await json(`${url(2)}/v1/users/eve`, 'DELETE')
  assert.equal(gone.status, 200, JSON.stringify(gone.body))
  assert.equal(gone.body.group_memories, 2 * groups.length)
  for (const [i, group] of groups.entries()) {
    const { body } = await json(`${url(1 + (i + 1) % 3)}/v1/memories?user=channel:${group}`)
    assert.deepEqual(body.results.filter((m) => m.speaker === 'eve'), [])
    assert.equal(body.results.filter((m) => m.speaker === 'bo').length, 1)
  }
})

test('a node is drained while turns go on, none fails, and it is taken back', async () => {
  const checker = new Checker({ data: folder, users: 8, seed: 11 })
  checker.start()
  const { code, stdout } = await run(['cluster', 'drain', 'n2', '--url', url(1)])
  assert.equal(code, 0, stdout)
  assert.equal(counts(await view(1)).n2, 0)
  await run(['cluster', 'drain', 'n2', '--resume', '--url', url(3)])
  await until('its share again', async () => counts(await view(1)).n2 > 50, 60_000)
  await checker.stop()
  assert.deepEqual(await checker.check(), [])
  assert.equal(checker.failed, 0, checker.last)
})

test('a node that is killed loses nothing, and its partitions are taken over', async () => {
  const checker = new Checker({ data: folder, users: 12, seed: 12 })
  checker.start()
  await pause(1500)
  await cluster('kill-node', 'n3')
  await until('others own all', async () => {
    const x = await view(1)
    return settled(x) && !counts(x).n3
  }, 30_000)
  await pause(1000)
  await cluster('start-node', 'n3')
  await until('its share again', async () => counts(await view(1)).n3 > 50, 60_000)
  await checker.stop()
  assert.deepEqual(await checker.check(), [])
})

test('a node that comes back from a pause has not written what was no longer its own', async () => {
  const checker = new Checker({ data: folder, users: 12, seed: 13 })
  checker.start()
  await pause(1000)
  const { pid } = nodes().find((x) => x.name === 'n1')
  process.kill(pid, 'SIGSTOP')
  await until('others own all', async () => settled(await view(2)) && !counts(await view(2)).n1, 30_000)
  process.kill(pid, 'SIGCONT')
  await pause(3000)
  try {
    process.kill(pid, 0)
  } catch {
    await cluster('start-node', 'n1') // it was not sure, and ended
  }
  await until('its share again', async () => counts(await view(2)).n1 > 50, 60_000)
  await checker.stop()
  assert.deepEqual(await checker.check(), [])
})

test('SIGTERM hands over before the node ends', async () => {
  const checker = new Checker({ data: folder, users: 8, seed: 14 })
  // A client is told to use another node before this one closes; the test's own do not look.
  checker.urls = checker.urls.filter((_, i) => i !== 1)
  checker.start()
  await pause(500)
  await cluster('stop-node', 'n2')
  assert.ok(settled(await view(1)))
  assert.deepEqual(nodes().map((x) => x.name), ['n1', 'n3'])
  await pause(500)
  await checker.stop()
  assert.deepEqual(await checker.check(), [])
  assert.equal(checker.failed, 0, checker.last)
  await cluster('start-node', 'n2')
})
