// Memories outlive the process, and nothing that was acknowledged is lost.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { Node, freePort, pause, run, tempFolder } from './node.mjs'

test('a companion remembers across a restart', async (t) => {
  const data = tempFolder(t)
  const fact = 'My sister Anna keeps bees in Kreuzberg.'
  const first = await Node.start(t, { data })
  await first.say('ada', fact)
  await first.say('ada', 'The weather was grey today.')
  await first.say('bo', 'My sister keeps horses.')
  await first.stop()

  const second = await Node.start(t, { data })
  const reply = await second.say('ada', 'What does my sister Anna keep?')
  assert.equal(reply.sotto.memories[0].text, fact)
  assert.ok(reply.choices[0].message.content.includes('bees'))
  assert.ok(reply.sotto.memories.every((x) => !x.text.includes('horses')), 'another user\'s memory')
  const stored = await second.memories('ada')
  assert.equal(stored.length, 6)
  assert.equal(stored[0].text, fact)
  assert.equal(stored[0].speaker, 'ada')
})

test('memories are told, searched, listed and forgotten', async (t) => {
  const node = await Node.start(t)

  await t.test('one memory keeps all it was told', async () => {
    const told = { user: 'ada', id: 'trip', text: 'We sailed to Gotland.', speaker: 'Ada',
      conversation: 'summer', created: '2026-05-03T09:30:00Z', metadata: { place: 'Gotland', days: 9 } }
    const x = await node.call('POST', '/v1/memories', told)
    assert.equal(x.status, 200)
    assert.deepEqual(x.body, { id: 'trip' })
    const [found] = (await node.call('POST', '/v1/memories/search',
      { user: 'ada', query: 'Where did we sail?', k: 1 })).body.results
    for (const key of ['id', 'text', 'speaker', 'conversation', 'metadata'])
      assert.deepEqual(found[key], told[key], key)
    assert.equal(Date.parse(found.created), Date.parse(told.created))
    assert.ok(found.score > 0)
    assert.ok('why' in found)
  })

  await t.test('the same id again changes nothing', async () => {
    const x = await node.call('POST', '/v1/memories', { user: 'ada', id: 'trip', text: 'Something else.' })
    assert.equal(x.status, 200)
    const stored = await node.memories('ada')
    assert.equal(stored.length, 1)
    assert.equal(stored[0].text, 'We sailed to Gotland.')
  })

  await t.test('an array is answered with ids in its order', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({ user: `u${i % 7}`, text: `Fact ${i}` }))
    const x = await node.call('POST', '/v1/memories', many)
    assert.equal(x.status, 200)
    assert.equal(new Set(x.body.ids).size, 1000)
    const stored = await node.memories('u3', 50)
    const expected = many.map((m, i) => ({ ...m, id: x.body.ids[i] })).filter((m) => m.user === 'u3')
    assert.deepEqual(stored.map((m) => m.text), expected.map((m) => m.text))
    assert.deepEqual(stored.map((m) => m.id), expected.map((m) => m.id))
  })

  await t.test('a wrong element refuses the whole array and names it', async () => {
    const x = await node.call('POST', '/v1/memories',
      [{ user: 'cy', text: 'Right.' }, { user: 'cy' }, { user: 'cy', text: 'Right too.' }])
    assert.equal(x.status, 400)
    assert.equal(x.body.error.param, '[1].text')
    assert.deepEqual(await node.memories('cy'), [])
    for (const wrong of [[], Array(1001).fill({ user: 'cy', text: 'x' }), { user: 'cy', text: 7 },
      { text: 'x' }, { user: 'cy', text: 'x', created: 'yesterday' }, { user: 'cy', text: 'x', metadata: 3 }])
      assert.equal((await node.call('POST', '/v1/memories', wrong)).status, 400)
  })

  await t.test('who got an answer finds it at once', async () => {
    for (let i = 0; i < 30; ++i) {
      const { body } = await node.call('POST', '/v1/memories', { user: 'di', text: `Locker ${i} holds item${i}.` })
      const found = await node.call('POST', '/v1/memories/search', { user: 'di', query: `item${i}`, k: 1 })
      assert.equal(found.body.results[0].id, body.id)
    }
  })

  await t.test('one memory is removed, once', async () => {
    assert.equal((await node.call('DELETE', '/v1/memories/trip?user=bo')).status, 404)
    assert.equal((await node.call('DELETE', '/v1/memories/trip?user=ada')).status, 200)
    assert.equal((await node.call('DELETE', '/v1/memories/trip?user=ada')).status, 404)
    assert.deepEqual(await node.memories('ada'), [])
  })

  await t.test('a forgotten user is gone, with a receipt, and others are not', async () => {
    const before = await node.memories('u4')
    const x = await node.call('DELETE', '/v1/users/u3')
    assert.equal(x.status, 200)
    assert.equal(x.body.memories, 143)
    assert.deepEqual(await node.memories('u3'), [])
    const found = await node.call('POST', '/v1/memories/search', { user: 'u3', query: 'Fact', k: 5 })
    assert.deepEqual(found.body.results, [])
    assert.deepEqual(await node.memories('u4'), before)
  })

  await t.test('what is forgotten stays forgotten after a restart, and its bytes are gone', async () => {
    const secret = 'zanzibarquartz'
    await node.call('POST', '/v1/memories', { user: 'eve', text: `The word is ${secret}.` })
    await node.call('DELETE', '/v1/users/eve')
    await node.stop()
    for (const name of fs.readdirSync(node.data))
      assert.ok(!fs.readFileSync(path.join(node.data, name)).includes(secret), name)
    const again = await Node.start(t, { data: node.data })
    assert.deepEqual(await again.memories('eve'), [])
    assert.equal((await again.memories('di')).length, 30)
  })
})

test('who is forgotten is forgotten in groups too, and nobody else is', async (t) => {
  const data = tempFolder(t)
  let node = await Node.start(t, { data })
  const groups = Array.from({ length: 12 }, (_, i) => `room-${i}`)
  const lines = async (group) => (await node.memories(`channel:${group}`)).map((x) => x.text)
  const inGroup = (group, user, text, more = {}) => node.say(user, text, {}, { 'Sotto-Group': group, ...more })
  for (const group of groups) {
    await inGroup(group, 'ada', 'My secret is a zeppelin.', { 'Idempotency-Key': `k-${group}` })
    await inGroup(group, 'bob', 'Nice weather in Visby today.')
  }
  await node.call('POST', '/v1/memories', { user: 'channel:room-0', speaker: 'ada', text: 'The zeppelin is silver.' })
  await node.call('POST', '/api/chat', { user_id: 'ada', message: 'A zeppelin again.', context: { channel_id: 'room-1', channel_type: 'guild' } })
  await node.say('ada', 'In private I like zeppelins.')

  await t.test('what is left', async () => {
    const gone = await node.call('DELETE', '/v1/users/ada')
    assert.equal(gone.status, 200, JSON.stringify(gone.body))
    assert.equal(gone.body.memories, 2)
    // Two lines in each group, one that was stored, two over the original's call.
    assert.equal(gone.body.group_memories, 2 * groups.length + 1 + 2)
    for (const group of groups) {
      const left = await lines(group)
      assert.equal(left.length, 2, JSON.stringify(left))
      assert.equal(left[0], 'Nice weather in Visby today.')
    }
  })
  await t.test('neither recall nor context nor a retry tells it', async () => {
    const found = await node.call('POST', '/v1/memories/search', { user: 'channel:room-0', query: 'zeppelin secret', k: 10 })
    assert.ok(!JSON.stringify(found.body).includes('zeppelin'), JSON.stringify(found.body))
    const x = await inGroup('room-1', 'bob', 'What was the secret?')
    assert.ok(!JSON.stringify(x).includes('zeppelin'), JSON.stringify(x))
    const again = await node.call('POST', '/v1/chat/completions',
      { model: 'companion', user: 'ada', messages: [{ role: 'user', content: 'My secret is a zeppelin.' }] },
      { 'Sotto-Group': 'room-2', 'Idempotency-Key': 'k-room-2' })
    assert.ok(!JSON.stringify(again.body).includes('zeppelin'), JSON.stringify(again.body))
  })
  await t.test('again there is nothing, after a restart too', async () => {
    await node.stop()
    node = await Node.start(t, { data })
    const gone = await node.call('DELETE', '/v1/users/ada')
    assert.equal(gone.body.memories, 0)
    assert.equal(gone.body.group_memories, 0)
    for (const group of groups) assert.ok(!(await lines(group)).join().includes('zeppelin'))
    await node.stop()
    for (const file of fs.readdirSync(data, { recursive: true }).filter((x) => /\.db/.test(x)))
      assert.ok(!fs.readFileSync(path.join(data, file)).includes('zeppelin'), file)
  })
})

test('kill -9 loses nothing that was acknowledged and doubles nothing', async (t) => {
  const data = tempFolder(t)
  const acknowledged = new Map() // user -> ids in order
  let number = 0
  for (let round = 0; round < 3; ++round) {
    const node = await Node.start(t, { data })
    const writer = async (user) => {
      for (; ;) {
        const many = Array.from({ length: 5 }, () => ({ user, id: `id-${number}`, text: `Fact ${number++}.` }))
        let x
        try { x = await node.call('POST', '/v1/memories', many) } catch { return }
        assert.equal(x.status, 200)
        acknowledged.set(user, [...(acknowledged.get(user) ?? []), ...x.body.ids])
      }
    }
    const writers = ['a', 'b', 'c', 'd'].map(writer)
    const before = number
    while (number < before + 400) await pause(5)
    await pause(37 * round)
    await node.kill()
    await Promise.all(writers)
  }
  const node = await Node.start(t, { data })
  for (const [user, ids] of acknowledged) {
    const stored = (await node.memories(user)).map((x) => x.id)
    assert.equal(new Set(stored).size, stored.length, 'an id is there twice')
    const there = new Set(stored)
    assert.deepEqual(ids.filter((id) => !there.has(id)), [], 'acknowledged and lost')
    assert.deepEqual(stored.filter((id) => new Set(ids).has(id)), ids, 'order')
    // Groups of five are written whole or not at all.
    assert.equal(stored.length % 5, 0)
  }
  await node.stop()
})

test('kill -9 in a turn leaves both of its lines or none', async (t) => {
  const data = tempFolder(t)
  const first = await Node.start(t, { data })
  let replied = 0
  const talk = async () => {
    for (let i = 0; ; ++i) {
      try { await first.say('ada', `Line ${i}.`) } catch { return }
      replied = i + 1
    }
  }
  const talking = talk()
  while (replied < 25) await pause(5)
  await first.kill()
  await talking
  const second = await Node.start(t, { data })
  const stored = await second.memories('ada')
  assert.equal(stored.length % 2, 0)
  assert.ok(stored.length >= 2 * replied)
  stored.forEach((x, i) => {
    if (i % 2 === 0) assert.equal(x.text, `Line ${i / 2}.`)
    else assert.notEqual(x.speaker, 'ada')
  })
})

test('a second process on the data folder is refused and told why', async (t) => {
  const node = await Node.start(t)
  const other = await run(['node', '--data', node.data, '--listen', `127.0.0.1:${await freePort()}`])
  assert.equal(other.code, 1)
  assert.match(other.stderr, /in use/)
  assert.match(other.stderr, new RegExp(`\\b${node.child.pid}\\b`))
  await node.say('ada', 'Are you still there?')
  await node.stop()
})

test('a damaged database is reported and not overwritten', async (t) => {
  const data = tempFolder(t)
  const first = await Node.start(t, { data })
  for (let i = 0; i < 20; ++i) await first.say('ada', `Line ${i}.`)
  await first.stop()
  const file = path.join(data, 'sotto.db')
  const whole = fs.readFileSync(file)
  const damaged = { 'its head': [0, 100], 'its middle': [Math.floor(whole.length / 2 / 4096) * 4096, 2048] }
  for (const [where, [from, size]] of Object.entries(damaged)) {
    const bytes = Buffer.from(whole)
    bytes.fill(0x5a, from, from + size)
    fs.writeFileSync(file, bytes)
    const again = await run(['node', '--data', data, '--listen', `127.0.0.1:${await freePort()}`])
    assert.equal(again.code, 1, where)
    assert.match(again.stderr, /sotto\.db/, where)
    assert.ok(fs.readFileSync(file).equals(bytes), `${where}: the file was changed`)
  }
  fs.writeFileSync(file, whole)
  const second = await Node.start(t, { data })
  assert.equal((await second.memories('ada')).length, 40)
})

test('a place where nothing can be stored is reported', async (t) => {
  const folder = tempFolder(t)
  fs.writeFileSync(path.join(folder, 'file'), 'not a folder')
  const x = await run(['node', '--data', path.join(folder, 'file'), '--listen', `127.0.0.1:${await freePort()}`])
  assert.equal(x.code, 1)
  assert.ok(x.stderr.includes(path.join(folder, 'file')))
})
