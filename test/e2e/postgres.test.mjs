// A node whose store is in PostgreSQL, a PostgreSQL that stops and starts, and stores that are copied.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Node, pause, run, tempFolder, until } from './node.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** A PostgreSQL of this test's own. Gone when the test `t` ends. */
function startPostgres(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-e2e-'))
  const services = (command) =>
    execFileSync(path.join(root, 'scripts/services'), [command, folder, 'postgres'], { stdio: ['ignore', 'ignore', 'inherit'] })
  t.after(() => {
    services('stop')
    fs.rmSync(folder, { recursive: true })
  })
  services('start')
  return { services, url: `postgresql://sotto:Zx9secret@/postgres?host=${folder}/postgres` }
}

const remember = (node, user, id) =>
  node.call('POST', '/v1/memories', { user, id, text: `memory ${id} of a windy day` })

test('a node keeps its memories in PostgreSQL, and nobody is shown the password', async (t) => {
  const { url } = startPostgres(t)
  const set = [`store.url=${url}`]
  let node = await Node.start(t, { set })
  assert.equal((await remember(node, 'ada', 'a')).status, 200)
  await node.say('ada', 'I like sailing on the lake.')
  const before = await node.memories('ada')
  assert.equal(before.length, 3)
  const second = await run(['node', '--data', tempFolder(t), '--listen', '127.0.0.1:0', '--set', set[0]])
  assert.equal(second.code, 1)
  assert.match(second.stderr, /another node uses the schema "sotto"/)
  await node.kill()
  node = await Node.start(t, { set })
  assert.deepEqual(await node.memories('ada'), before)
  await node.stop()

  const shown = await run(['config', 'show', '--set', set[0]])
  assert.match(shown.stdout, /url = "postgresql:\/\/sotto:\*\*\*@/)
  const wrong = await run(['node', '--data', tempFolder(t), '--set', 'store.url=postgresql://sotto:Zx9secret@h:0x1/d'])
  assert.equal(wrong.code, 1)
  const away = await run(['node', '--data', tempFolder(t), '--set', 'store.write_patience=100ms',
    '--set', 'store.url=postgresql://sotto:Zx9secret@127.0.0.1:1/d'])
  assert.equal(away.code, 1)
  assert.match(away.stderr, /PostgreSQL d as sotto at 127\.0\.0\.1:1/)
  for (const x of [node.stderr, second.stderr, shown.stdout, wrong.stderr, away.stderr])
    assert.ok(!x.includes('Zx9secret'), x)
})

test('PostgreSQL restarted under load loses and doubles nothing that was acknowledged', async (t) => {
  const { url, services } = startPostgres(t)
  const node = await Node.start(t, { set: [`store.url=${url}`, 'store.write_patience=500ms'] })
  for (const id of ['a', 'b', 'c']) assert.equal((await remember(node, 'quiet', id)).status, 200)
  assert.equal((await remember(node, 'u0', 'first')).status, 200)
  const users = ['u0', 'u1', 'u2', 'u3', 'u4', 'u5']
  const stored = new Map(users.map((x) => [x, new Set()]))
  const refusals = new Map()
  let over = false
  // Each user stores one memory after the other, and sends again what was not acknowledged.
  const work = users.map(async (user) => {
    for (let i = 0; !over; ++i) {
      for (let tries = 0; ; ++tries) {
        const x = await remember(node, user, `m${i}`)
        if (x.status === 200) break
        refusals.set(x.status, (refusals.get(x.status) ?? 0) + 1)
        assert.ok([503, 504].includes(x.status), JSON.stringify(x))
        if (x.status === 503) assert.ok(Number(x.headers.get('retry-after')) >= 1)
        assert.ok(!JSON.stringify(x.body).includes('sotto@'), JSON.stringify(x.body))
        await pause(50)
      }
      stored.get(user).add(`m${i}`)
    }
  })
  await pause(300)
  services('stop')
  await until('writes are refused', () => refusals.get(503) > 0)
  // What is loaded is still read, but for users of whom it is not known whether a write was made.
  const search = await node.call('POST', '/v1/memories/search', { user: 'quiet', query: 'windy day', k: 3 })
  assert.equal(search.status, 200)
  assert.equal(search.body.results.length, 3)
  services('start')
  const counts = () => [...stored.values()].map((x) => x.size)
  const then = counts()
  await until('everybody stores again', () => counts().every((x, i) => x > then[i] + 2))
  over = true
  await Promise.all(work)
  for (const user of users) {
    const ids = (await node.memories(user)).map((x) => x.id).filter((x) => x !== 'first')
    assert.deepEqual(ids, [...stored.get(user)], user) // in order, each once
  }
  const kept = await node.memories('u3')
  await node.kill()
  const again = await Node.start(t, { set: [`store.url=${url}`] })
  assert.deepEqual(await again.memories('u3'), kept)
})

test('a store is copied from the one engine to the other and back', async (t) => {
  const { url } = startPostgres(t)
  const first = tempFolder(t), last = path.join(tempFolder(t), 'back')
  let node = await Node.start(t, { data: first })
  for (const id of ['a', 'b', 'c']) assert.equal((await remember(node, 'ada', id)).status, 200)
  await node.say('bob', 'I like sailing.', {}, { 'Idempotency-Key': 'k1' })
  const before = [await node.memories('ada'), await node.memories('bob')]
  const busy = await run(['store', 'copy', '--from', `sqlite:${first}`, '--to', url])
  assert.equal(busy.code, 1)
  await node.stop()
  const there = await run(['store', 'copy', '--from', `sqlite:${first}`, '--to', url, '--json'])
  assert.equal(there.code, 0, there.stderr)
  assert.deepEqual(JSON.parse(there.stdout), { users: 2, memories: 5, vectors: 0, turns: 1, summaries: 0 })
  const twice = await run(['store', 'copy', '--from', `sqlite:${first}`, '--to', url])
  assert.equal(twice.code, 1)
  assert.match(twice.stderr, /holds memories already/)
  const back = await run(['store', 'copy', '--from', url, '--to', `sqlite:${last}`])
  assert.equal(back.code, 0, back.stderr)
  assert.match(back.stdout, /2 users, 5 memories/)
  const none = await run(['store', 'copy', '--from', `sqlite:${last}x`, '--to', `sqlite:${last}y`])
  assert.equal(none.code, 1)
  for (const set of [[`store.url=${url}`], [`store.url=sqlite:${last}`]]) {
    node = await Node.start(t, { set })
    assert.deepEqual([await node.memories('ada'), await node.memories('bob')], before)
    await node.stop()
  }
  assert.equal((await run(['store', 'copy', '--from', 'mysql://x', '--to', url])).code, 2)
})
