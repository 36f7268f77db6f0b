// A frontend in C++, built outside of the tree against an installed Sotto, and the nodes it talks
// to.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, Node, program, run, tempFolder, until } from './node.mjs'

const execute = promisify(execFile)
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const sanitized = /\/(asan|tsan)\//.test(program)
let work, prefix, frontend

/** The example, as a project of its own. */
before(async () => {
  if (sanitized) return // the library would need the sanitizer's own libraries
  work = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-native-'))
  prefix = path.join(work, 'installed')
  await execute('cmake', ['--install', path.dirname(program), '--prefix', prefix])
  fs.cpSync(path.join(root, 'examples/native'), path.join(work, 'bot'), { recursive: true })
  const build = path.join(work, 'build')
  const options = { cwd: work, maxBuffer: 16 << 20 }
  await execute('cmake', ['-S', path.join(work, 'bot'), '-B', build, `-DCMAKE_PREFIX_PATH=${prefix}`], options)
  await execute('cmake', ['--build', build], options)
  frontend = path.join(build, 'native_frontend')
})

after(() => work && fs.rmSync(work, { recursive: true, force: true }))

/** The example at work: lines go in, and what comes out is waited for. */
class Bot {
  constructor(t, args) {
    this.out = ''
    this.child = spawn(frontend, args)
    this.child.stdout.setEncoding('utf8').on('data', (x) => (this.out += x))
    this.child.stderr.setEncoding('utf8').on('data', (x) => (this.out += x))
    this.ended = once(this.child, 'close')
    t.after(() => this.child.kill('SIGKILL'))
  }

  /** Says a line; returns what is printed until `wanted` is. */
  async say(line, wanted) {
    const from = this.out.length
    this.child.stdin.write(line + '\n')
    await until(`${wanted} after ${line}; there is: ${this.out.slice(from)}`,
      () => wanted.test(this.out.slice(from)) || /failed \(/.test(this.out.slice(from)), 60_000)
    const text = this.out.slice(from)
    assert.match(text, wanted)
    return text
  }

  async end() {
    this.child.stdin.end()
    const [code] = await this.ended
    assert.equal(code, 0, this.out)
  }
}

async function certs(folder, ...more) {
  const { code, stderr } = await run(['cluster', 'certs', '--dir', folder, ...more])
  assert.equal(code, 0, stderr)
}

const through = /through (\S+)\)/

test('a node alone serves a C++ frontend for the tenant of its certificate', { skip: sanitized }, async (t) => {
  const folder = path.join(tempFolder(t), 'certs')
  await certs(folder, '--node', 'alone', '--frontend', 'bot', '--tenant', 'acme')
  const port = await freePort()
  const node = await Node.start(t, {
    set: [`native.listen=127.0.0.1:${port}`, `native.certificate=${folder}/alone.pem`,
      `native.key=${folder}/alone.key`, `native.ca=${folder}/ca.pem`],
  })
  const bot = new Bot(t, ['--certs', folder, '--name', 'bot', `127.0.0.1:${port}`])
  await bot.say('/remember I moved to Lisbon last spring.', /remembered as \w{32}/)
  assert.match(await bot.say('/recall Where did I move?', /recalled: /), /Lisbon/)
  await bot.say('Hello there!', through)
  const mine = await node.call('GET', '/v1/memories?user=ada', undefined, { 'Sotto-Tenant': 'acme' })
  assert.deepEqual(mine.body.results.map((m) => m.text).slice(0, 2), ['I moved to Lisbon last spring.', 'Hello there!'])
  const others = await node.call('GET', '/v1/memories?user=ada')
  assert.deepEqual(others.body.results, [])
  assert.match(await (await node.get('/metrics')).text(), /^sotto_frontends 1$/m)
  await bot.say('/forget', /forgot 3 memories/)
  await bot.end()
  // The node's own certificate is no frontend's.
  const wrong = new Bot(t, ['--certs', folder, '--name', 'alone', `127.0.0.1:${port}`])
  wrong.child.stdin.write('Hello?\n')
  await until('a refusal', () => /this is a node's certificate/.test(wrong.out))
  await node.stop()
})

test('the API key decides where there are keys, and a node that ends lets go', { skip: sanitized }, async (t) => {
  const folder = path.join(tempFolder(t), 'certs'), data = tempFolder(t)
  await certs(folder, '--node', 'alone', '--frontend', 'bot')
  const made = await run(['keys', 'create', '--data', data, '--tenant', 'globex', '--json'])
  const key = JSON.parse(made.stdout).key
  assert.ok(key, made.stdout + made.stderr)
  const port = await freePort()
  const set = [`native.listen=127.0.0.1:${port}`, `native.certificate=${folder}/alone.pem`,
    `native.key=${folder}/alone.key`, `native.ca=${folder}/ca.pem`]
  const node = await Node.start(t, { data, set })
  const without = new Bot(t, ['--certs', folder, '--name', 'bot', `127.0.0.1:${port}`])
  without.child.stdin.write('Hello?\n')
  await until('a refusal', () => /an API key is required/.test(without.out))
  const bot = new Bot(t, ['--certs', folder, '--name', 'bot', '--key', key, `127.0.0.1:${port}`])
  await bot.say('Hello!', through)
  await node.stop()
  // What is said meanwhile waits for the node to come back.
  const from = bot.out.length
  bot.child.stdin.write('Are you there?\n')
  const again = await Node.start(t, { data, set })
  await until('a reply of the node that came back', () => through.test(bot.out.slice(from)), 30_000)
  const mine = await again.call('GET', '/v1/memories?user=ada', undefined, { Authorization: `Bearer ${key}` })
  assert.deepEqual(mine.body.results.filter((m) => m.speaker === 'ada').map((m) => m.text), ['Hello!', 'Are you there?'])
  await bot.end()
  await again.stop()
})

test('a frontend of a cluster goes on when the node it is linked to is killed', { skip: sanitized, timeout: 200_000 }, async (t) => {
  const data = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-e2e-'))
  fs.chmodSync(data, 0o755)
  const script = path.join(root, 'scripts/cluster')
  const cluster = (...args) => execute(script, [...args, '--data', data], { env: { ...process.env, SOTTO_BIN: program } })
  const base = 20_000 + Math.floor(Math.random() * 10_000)
  t.after(async () => {
    await cluster('stop') // before its folder is gone
    fs.rmSync(data, { recursive: true, force: true })
  })
  await cluster('start', '2', '--base-port', String(base), '--set', 'native.listen=127.0.0.1:0')
  const address = (name) => /serves C\+\+ frontends on (\S+)/.exec(fs.readFileSync(path.join(data, name, 'log'), 'utf8'))[1]
  await certs(path.join(data, 'certs'), '--frontend', 'bot')
  // It knows one of them, and learns of the other there.
  const bot = new Bot(t, ['--certs', path.join(data, 'certs'), '--name', 'bot', address('n1')])
  await bot.say('/remember My sister is called Ines.', /remembered as/)
  const first = through.exec(await bot.say('Good morning!', through))[1]
  assert.equal(first, address('n1'))
  await cluster('kill-node', 'n1')
  const second = through.exec(await bot.say('Are you still there?', through))[1]
  assert.equal(second, address('n2'))
  assert.match(await bot.say('/recall What is my sister called?', /recalled: /), /Ines/)
  const kept = await (await fetch(`http://127.0.0.1:${base + 2}/v1/memories?user=ada`)).json()
  assert.deepEqual(kept.results.filter((m) => m.speaker === 'ada').map((m) => m.text),
    ['My sister is called Ines.', 'Good morning!', 'Are you still there?'])
  await bot.end()
})
