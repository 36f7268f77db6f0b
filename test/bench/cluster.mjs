// What many nodes cost and take, all on this machine: node test/bench/cluster.mjs, one JSON line a
// measurement. The cores are shared by the nodes, PostgreSQL and the load.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const execute = promisify(execFile)
const pause = (ms) => new Promise((done) => setTimeout(done, ms))
const report = (x) => console.log(JSON.stringify(x))
const base = 21_000 + Math.floor(Math.random() * 8_000)
const url = (i) => `http://127.0.0.1:${base + i}`

async function call(to, method = 'GET', body = undefined) {
  const x = await fetch(to, {
    method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    signal: AbortSignal.timeout(60_000),
  })
  const text = await x.text()
  if (!x.ok) throw new Error(`${x.status} ${text.slice(0, 200)}`)
  return JSON.parse(text)
}

const view = (i) => call(`${url(i)}/v1/admin/cluster`)

async function settled(through, nodes) {
  for (;; await pause(50)) {
    const x = await view(through).catch(() => null)
    const share = x && Math.min(...nodes.map((name) => x.nodes.find((n) => n.name === name)?.partitions ?? 0))
    if (x && x.moving === 0 && share > 0.7 * 256 / nodes.length) return x
  }
}

/** Says one line after the other, and notes the slowest; a failed one is asked again. */
class Talker {
  constructor(i, user) {
    this.worst = 0
    this.failed = 0
    this.ends = this.#talk(i, user)
  }
  async #talk(i, user) {
    for (let n = 0; !this.over; ++n) {
      const start = performance.now()
      for (;;) {
        try {
          await call(`${url(i)}/v1/chat/completions`, 'POST',
            { model: 'companion', user, messages: [{ role: 'user', content: `line ${n}` }] })
          break
        } catch {
          ++this.failed
          await pause(5)
        }
      }
      this.worst = Math.max(this.worst, performance.now() - start)
    }
  }
  async end() {
    this.over = true
    await this.ends
    return { longest_ms: Math.round(this.worst), failed: this.failed }
  }
}

/** Gives a user so many memories. */
async function fill(user, memories) {
  for (let at = 0; at < memories; at += 1000)
    await call(`${url(1)}/v1/memories`, 'POST', Array.from({ length: Math.min(1000, memories - at) }, (_, i) =>
      ({ user, id: `m${at + i}`, text: `Memory ${at + i} of ${user} about boats, bread and birds.` })))
}

async function cluster(folder, ...args) {
  await execute(path.join(top, 'scripts/cluster'), [...args, '--data', folder])
}

async function with_nodes(count, run) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-bench-'))
  fs.chmodSync(folder, 0o755)
  try {
    await cluster(folder, 'start', String(count), '--base-port', String(base), '--set', 'log.level=warn')
    await settled(1, Array.from({ length: count }, (_, i) => `n${i + 1}`))
    await run(folder)
  } finally {
    await cluster(folder, 'stop').catch((why) => console.error(why.message))
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function turns(count) {
  const { stdout } = await execute(path.join(top, 'build/release/test/load_bench'),
    [`127.0.0.1:${base + 1}`, '100', '--seconds', '5'])
  for (const line of stdout.trim().split('\n')) {
    const x = JSON.parse(line)
    report({ name: 'cluster_turns', nodes: count, through: 'n1', over: x.over, users: x.users, unit: 'turns/s',
      value: x.value, p50_ms: x.p50_ms, p99_ms: x.p99_ms, errors: x.errors, refused: x.refused })
  }
}

for (const count of [1, 2, 3])
  await with_nodes(count, async (folder) => {
    await turns(count)
    if (count < 3) return
    for (const memories of [0, 1000, 100_000]) {
      const user = `mover-${memories}`
      await fill(user, memories)
      for (const name of ['n2', 'n3']) {
        const talker = new Talker(1, user)
        await pause(300)
        const start = performance.now()
        await execute(path.join(top, 'build/release/sotto'), ['cluster', 'drain', name, '--url', url(1)])
        const drained = performance.now() - start
        await pause(500)
        const found = await talker.end()
        report({ name: 'cluster_drain', memories, drained: name, unit: 'ms', value: Math.round(drained), ...found })
        await execute(path.join(top, 'build/release/sotto'), ['cluster', 'drain', name, '--resume', '--url', url(1)])
        await settled(1, ['n1', 'n2', 'n3'])
      }
    }
    const start = performance.now()
    const talkers = Array.from({ length: 12 }, (_, i) => new Talker(1, `waiter-${i}`))
    await pause(500)
    await cluster(folder, 'kill-node', 'n3')
    const killed = performance.now()
    for (;; await pause(20)) {
      const x = await view(1)
      if (x.nodes.find((n) => n.name === 'n3')?.partitions === 0) break
    }
    const taken = performance.now() - killed
    const ends = await Promise.all(talkers.map((x) => x.end()))
    report({ name: 'cluster_kill', unit: 'ms', value: Math.round(taken), longest_turn_ms: Math.max(...ends.map((x) => x.longest_ms)),
      failed: ends.reduce((n, x) => n + x.failed, 0), seconds: Math.round((performance.now() - start) / 1000) })
  })
