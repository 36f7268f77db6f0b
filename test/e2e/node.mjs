// The real program for tests: a node on a free port with a data folder of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** The program under test: SOTTO_BIN, or the release build. */
export const program = process.env.SOTTO_BIN || path.join(root, 'build/release/sotto')

/** A folder that is gone when the test `t` ends. */
export function tempFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-e2e-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms))

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until `holds` answers something true, which is returned. */
export async function until(what, holds, ms = 15_000) {
  for (const end = Date.now() + ms; Date.now() < end; await pause(20)) {
    const x = await holds()
    if (x) return x
  }
  throw new Error(`not within ${ms} ms: ${what}`)
}

/** A busy machine must not leave helpers out of a turn; what is late is tested with a fake clock. */
const patient = ['emotion', 'recall', 'topics'].map((x) => `session.${x}_timeout=20s`)

/** The environment without settings of whoever runs the tests. */
export function cleanEnvironment(extra) {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('SOTTO_') && name !== 'ENABLE_PRODUCTION_OPTIMIZATION')
  return { ...Object.fromEntries(kept), ...extra }
}

/** Runs a command of the program to its end. `input` is its stdin. */
export async function run(args, { input = '', env = {}, cwd = os.tmpdir() } = {}) {
  const child = spawn(program, args, { cwd, env: cleanEnvironment(env) })
  let stdout = '', stderr = ''
  child.stdout.setEncoding('utf8').on('data', (x) => (stdout += x))
  child.stderr.setEncoding('utf8').on('data', (x) => (stderr += x))
  child.stdin.on('error', () => {}) // it may end before it has read all
  child.stdin.end(input)
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout, stderr }
}

/** A node that runs. */
export class Node {
  constructor(child, port, data) {
    Object.assign(this, { child, port, data, stderr: '', url: `http://127.0.0.1:${port}` })
    child.stderr.setEncoding('utf8').on('data', (x) => (this.stderr += x))
    child.stdout.resume()
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.ended = { code, signal }
      return this.ended
    })
  }

  /** Starts a node for the test `t` and waits until it is ready, if it is `plain` HTTP. */
  static async start(t, { data = tempFolder(t), config, set = [], env = {}, listen, plain = true } = {}) {
    const port = listen ?? (await freePort())
    const args = ['node', '--data', data, '--listen', `127.0.0.1:${port}`]
    if (config) {
      const file = path.join(tempFolder(t), 'sotto.toml')
      fs.writeFileSync(file, config)
      args.push('--config', file)
    }
    for (const x of [...patient, ...set]) args.push('--set', x)
    const node = new Node(spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'], cwd: os.tmpdir(), env: cleanEnvironment(env) }), port, data)
    t.after(() => node.kill())
    if (!plain) return node
    await until('the node is ready', async () => {
      if (node.ended) throw new Error(`the node ended: ${JSON.stringify(node.ended)}\n${node.stderr}`)
      return node.get('/readyz').then((x) => x.status === 200, () => false)
    }, 30_000)
    return node
  }

  /** kill -9; returns when the process is gone. */
  async kill() {
    if (!this.ended) this.child.kill('SIGKILL')
    return this.exited
  }

  /** SIGTERM; must end in order within `ms`. */
  async stop(ms = 10_000) {
    this.child.kill('SIGTERM')
    let timer
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error(`SIGTERM did not end the node in ${ms} ms\n${this.stderr}`)), ms)
    })
    const ended = await Promise.race([this.exited, late]).finally(() => clearTimeout(timer))
    if (ended.code !== 0) throw new Error(`SIGTERM gave ${JSON.stringify(ended)}\n${this.stderr}`)
    return ended
  }

  get(where, options = {}) {
    return fetch(this.url + where, options)
  }

  /** Sends JSON (or the given string as it is); the answer has `status`, `headers`, `body`. */
  async call(method, where, body, headers = {}) {
    const x = await fetch(this.url + where, {
      method,
      headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    })
    const text = await x.text()
    let parsed
    try { parsed = JSON.parse(text) } catch { parsed = text }
    return { status: x.status, headers: x.headers, body: parsed }
  }

  /** One turn by HTTP; returns the completion. */
  async say(user, content, more = {}, headers = {}) {
    const x = await this.call('POST', '/v1/chat/completions',
      { model: 'companion', user, messages: [{ role: 'user', content }], ...more }, headers)
    if (x.status !== 200) throw new Error(`a turn got ${x.status}: ${JSON.stringify(x.body)}`)
    return x.body
  }

  /** All memories of a user, page by page. */
  async memories(user, limit = 100) {
    const all = []
    for (let after = ''; ;) {
      const x = await this.call('GET', `/v1/memories?user=${encodeURIComponent(user)}&limit=${limit}` +
        (after && `&after=${encodeURIComponent(after)}`))
      if (x.status !== 200) throw new Error(`a listing got ${x.status}: ${JSON.stringify(x.body)}`)
      all.push(...x.body.results)
      if (!x.body.next) return all
      after = x.body.next
    }
  }
}
