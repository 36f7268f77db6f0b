// The commands of the program.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Node, freePort, run, tempFolder } from './node.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

test('emotion --jsonl equals the reference on its sample', async () => {
  const sample = fs.readFileSync(path.join(here, '../actors/vader_sample.jsonl'), 'utf8').trim().split('\n')
    .map((x) => JSON.parse(x))
  assert.ok(sample.length >= 180)
  const input = sample.map((x) => JSON.stringify({ text: x.text }) + '\n').join('')
  const x = await run(['emotion', '--jsonl'], { input })
  assert.equal(x.code, 0, x.stderr)
  const lines = x.stdout.trim().split('\n').map((y) => JSON.parse(y))
  assert.equal(lines.length, sample.length)
  for (const [i, { neg, neu, pos, compound, emotion }] of lines.entries()) {
    const { text, ...scores } = sample[i]
    assert.deepEqual({ neg, neu, pos, compound }, scores, text)
    assert.equal(typeof emotion, 'string')
  }
})

test('emotion reads plain lines, reports broken objects and goes on', async () => {
  const x = await run(['emotion', '--jsonl'], { input: 'I love it!\n{"text": 7}\n{"text": \nI hate it!' })
  const lines = x.stdout.trim().split('\n').map((y) => JSON.parse(y))
  assert.equal(lines.length, 4)
  assert.ok(lines[0].compound > 0.5 && lines[3].compound < -0.5)
  assert.ok(lines[1].error && lines[2].error)
  const table = await run(['emotion'], { input: 'I love it!\n' })
  assert.equal(table.code, 0)
  assert.match(table.stdout, /compound/)
  assert.match(table.stdout, /I love it!/)
})

test('embed writes unit vectors', async () => {
  const x = await run(['embed', '--jsonl'], { input: 'The dog sleeps.\nA puppy naps.\n' })
  assert.equal(x.code, 0, x.stderr)
  for (const line of x.stdout.trim().split('\n')) {
    const v = JSON.parse(line)
    assert.equal(v.length, 100)
    assert.ok(Math.abs(Math.hypot(...v) - 1) < 1e-3)
  }
})

test('without its data the senses say which command fetches them, and a node runs degraded', async (t) => {
  const nowhere = tempFolder(t)
  const x = await run(['emotion', '--jsonl', '--data-files', nowhere], { input: 'Hi\n' })
  assert.equal(x.code, 1)
  assert.match(x.stderr, /scripts\/data\/fetch/)
  const node = await Node.start(t, { set: [`node.data_files=${nowhere}`] })
  assert.match(node.stderr, /scripts\/data\/fetch/)
  const reply = await node.say('ada', 'My sister keeps bees.')
  assert.ok(reply.sotto.degraded.includes('emotion'), JSON.stringify(reply.sotto.degraded))
  assert.equal(reply.sotto.memory_stored, true)
  const again = await node.say('ada', 'What does my sister keep?')
  assert.ok(again.sotto.memories.some((y) => y.text.includes('bees')), 'recall by words alone')
})

test('chat works in a pipe and shows mood and memories', async (t) => {
  const node = await Node.start(t)
  const chat = (input, ...more) => run(['chat', '--url', node.url, '--user', 'ada', ...more], { input })
  const first = await chat('My sister Anna keeps bees.\nI am so happy today!\n')
  assert.equal(first.code, 0, first.stderr)
  assert.equal(first.stdout.trim().split('\n').length, 2)
  assert.ok(!first.stdout.includes('> '), 'a prompt in a pipe')
  const second = await chat('What does Anna keep? It makes me so happy!\n', '--mood', '--memories', '--conversation', 'other')
  assert.match(second.stdout, /mood: joy/)
  assert.match(second.stdout, /recalled: .*bees/)
  const asJson = JSON.parse((await chat('Hello!\n', '--json')).stdout)
  assert.ok(asJson.text.length > 0)
  assert.equal(asJson.sotto.memory_stored, true)
  const wrong = await chat('Hi\n', '--persona', 'nobody')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /nobody/)
})

test('memory lists, searches and forgets', async (t) => {
  const node = await Node.start(t)
  await node.call('POST', '/v1/memories', ['Bees live in the garden.', 'Trains are late.', 'Honey is sweet.']
    .map((text, i) => ({ user: 'ada lovelace/1', id: `m ${i}`, text })))
  const memory = (...args) => run(['memory', ...args, '--url', node.url, '--user', 'ada lovelace/1'])
  const listed = (await memory('list', '--json')).stdout.trim().split('\n').map((x) => JSON.parse(x))
  assert.deepEqual(listed.map((x) => x.id), ['m 0', 'm 1', 'm 2'])
  const found = (await memory('search', 'late trains', '-k', '1', '--json')).stdout.trim().split('\n')
  assert.deepEqual(found.map((x) => JSON.parse(x).id), ['m 1'])
  assert.equal((await memory('forget', '--id', 'm 1')).code, 2, 'forgets without --yes')
  assert.equal((await memory('forget', '--id', 'm 1', '--yes')).code, 0)
  assert.equal((await memory('forget', '--id', 'm 1', '--yes')).code, 1)
  assert.deepEqual((await node.memories('ada lovelace/1')).map((x) => x.id), ['m 0', 'm 2'])
  assert.equal((await memory('forget', '--yes')).code, 0)
  assert.deepEqual(await node.memories('ada lovelace/1'), [])
})

test('without a node the clients say so', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  for (const args of [['chat'], ['memory', 'list'], ['memory', 'search', 'x']]) {
    const x = await run([...args, '--url', url], { input: 'Hi\n' })
    assert.equal(x.code, 1)
    assert.ok(x.stderr.includes(url.slice('http://'.length)) || x.stderr.includes(url), x.stderr)
    assert.match(x.stderr, /sotto node|scripts\/run/)
  }
})

test('config names file, line, key and what would be right', async (t) => {
  const file = path.join(tempFolder(t), 'my.toml')
  const check = async (text) => {
    fs.writeFileSync(file, text)
    return run(['config', 'check', '--config', file])
  }
  const right = await check('[gateway]\nlisten = "127.0.0.1:7800"\n')
  assert.equal(right.code, 0, right.stderr)

  const typo = await check('[gateway]\n\nlistne = "127.0.0.1:7800"\n')
  assert.equal(typo.code, 1)
  assert.match(typo.stderr, /my\.toml:3/)
  assert.match(typo.stderr, /listne/)
  assert.match(typo.stderr, /gateway\.listen/)

  const several = await check('[session]\nrecalled = "many"\nturn_timeout = "1 parsec"\n[trace]\nsample = 7\n')
  assert.equal(several.code, 1)
  for (const [line, key] of [[2, 'recalled'], [3, 'turn_timeout'], [5, 'sample']])
    assert.match(several.stderr, new RegExp(`my\\.toml:${line}.*${key}`))

  const broken = await check('[gateway\n')
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /my\.toml:1/)

  const persona = await check('[[personas]]\nname = "x"\nllm = ["nowhere"]\n')
  assert.equal(persona.code, 1)
  assert.match(persona.stderr, /nowhere/)

  const missing = await run(['config', 'check', '--config', '/nonexistent/x.toml'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /\/nonexistent\/x\.toml/)
})

test('a node with a wrong configuration does not start', async (t) => {
  const x = await run(['node', '--data', tempFolder(t), '--set', 'gateway.listen=nowhere'])
  assert.notEqual(x.code, 0)
  assert.match(x.stderr, /gateway\.listen/)
})

test('settings come from profile, environment and flags, the later first', async () => {
  const show = async (args, env) => JSON.parse((await run(['config', 'show', '--json', ...args], { env })).stdout)
  assert.equal((await show([], {})).gateway.listen, '127.0.0.1:7700')
  assert.equal((await show([], { SOTTO_GATEWAY_LISTEN: '127.0.0.1:7801' })).gateway.listen, '127.0.0.1:7801')
  assert.equal((await show(['--set', 'gateway.listen=127.0.0.1:7802'],
    { SOTTO_GATEWAY_LISTEN: '127.0.0.1:7801' })).gateway.listen, '127.0.0.1:7802')
  assert.equal((await show(['--profile', 'production'], {})).log.format, 'json')
  assert.equal((await show([], { ENABLE_PRODUCTION_OPTIMIZATION: 'true' })).log.format, 'json')
})

test('bad use gives 2 and help gives 0', async () => {
  for (const args of [[], ['dance'], ['memory'], ['node', '--nothing'], ['chat', '--url', 'ftp://x']]) {
    const x = await run(args)
    assert.equal(x.code, 2, args.join(' '))
    assert.ok(x.stderr.length > 0)
    assert.equal(x.stdout, '')
  }
  assert.equal((await run(['--help'])).code, 0)
  assert.match((await run(['--version'])).stdout, /^sotto \d+\.\d+\.\d+/)
})
