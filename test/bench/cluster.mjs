// What many nodes cost and take, all on this machine: node test/bench/cluster.mjs, one JSON line a
// measurement, some four minutes in all. The cores are shared by the nodes, PostgreSQL and the load.
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

const program = path.join(top, 'build/release/sotto')
const bench = (name) => path.join(top, 'build/release/test', name)

/** Waits for something for so many seconds; a measurement that never ends is none. */
async function until(what, holds, seconds = 60) {
  for (const end = performance.now() + seconds * 1000; ; await pause(10)) {
    const x = await holds()
    if (x) return x
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
  }
}

const view = (i) => call(`${url(i)}/v1/admin/cluster`)

/** What is moving, and how many partitions each node has that is there. */
const shares = async (through) => {
  const x = await view(through).catch(() => null)
  return x && { moving: x.moving, of: Object.fromEntries(x.nodes.map((n) => [n.name, n.partitions])) }
}

const settled = (through, nodes) =>
  until(`${nodes} have their shares`, async () => {
    const x = await shares(through)
    return x && x.moving === 0 && nodes.every((name) => (x.of[name] ?? 0) > 0.7 * 256 / nodes.length)
  })

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
  const { stdout } = await execute(bench('load_bench'), [`127.0.0.1:${base + 1}`, '100', '--seconds', '3'])
  for (const line of stdout.trim().split('\n')) {
    const x = JSON.parse(line)
    report({ name: 'cluster_turns', nodes: count, through: 'n1', over: x.over, users: x.users, unit: 'turns/s',
      value: x.value, p50_ms: x.p50_ms, p99_ms: x.p99_ms, errors: x.errors, refused: x.refused })
  }
}

/** Each node gives its partitions away once, while users of different size talk: each moves then or later. */
async function drains() {
  const sizes = [0, 1000, 100_000]
  for (const memories of sizes) await fill(`mover-${memories}`, memories)
  const longest = new Map(sizes.map((x) => [x, 0]))
  let failed = 0
  for (const name of ['n1', 'n2', 'n3']) {
    const talkers = sizes.map((x) => new Talker(1, `mover-${x}`))
    await pause(300)
    const start = performance.now()
    await execute(program, ['cluster', 'drain', name, '--url', url(1)])
    const drained = performance.now() - start
    await pause(500)
    const ends = await Promise.all(talkers.map((x) => x.end()))
    sizes.forEach((x, i) => longest.set(x, Math.max(longest.get(x), ends[i].longest_ms)))
    failed += ends.reduce((n, x) => n + x.failed, 0)
    report({ name: 'cluster_drain', drained: name, unit: 'ms', value: Math.round(drained) })
    await execute(program, ['cluster', 'drain', name, '--resume', '--url', url(1)])
    await settled(1, ['n1', 'n2', 'n3'])
  }
  for (const [memories, ms] of longest)
    report({ name: 'cluster_hand_off', memories, unit: 'ms', value: ms, what: 'longest turn', failed })
}

/** The child of a node that tells of its death; whichever of the node's threads started it. */
function watcher_of(pid) {
  const read = (file) => { try { return fs.readFileSync(file, 'utf8') } catch { return '' } }
  return fs.readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number))
    .find((x) => read(`/proc/${x}/cmdline`).split('\0')[1] === 'watcher')
}

/** n3 is killed, with its watcher or when that is stopped: then its lease has to end. */
async function kill(folder, watched) {
  const { pid } = JSON.parse(fs.readFileSync(path.join(folder, 'nodes.json'), 'utf8')).find((x) => x.name === 'n3')
  const watcher = await until('n3 has a watcher', () => watcher_of(pid))
  if (!watched) process.kill(watcher, 'SIGSTOP')
  const talkers = Array.from({ length: 12 }, (_, i) => new Talker(1, `waiter-${i}`))
  await pause(1000)
  const killed = performance.now()
  process.kill(pid, 'SIGKILL')
  await until('others have its partitions', async () => {
    const x = await shares(1)
    return x && x.moving === 0 && !x.of.n3
  })
  const taken = performance.now() - killed
  await pause(300)
  const ends = await Promise.all(talkers.map((x) => x.end()))
  if (!watched) process.kill(watcher, 'SIGKILL')
  report({ name: 'cluster_kill', watcher: watched, unit: 'ms', value: Math.round(taken),
    longest_turn_ms: Math.max(...ends.map((x) => x.longest_ms)), failed: ends.reduce((n, x) => n + x.failed, 0) })
  await until('n3 starts again', () => cluster(folder, 'start-node', 'n3').then(() => true, () => false))
  await settled(1, ['n1', 'n2', 'n3'])
}

const { stdout } = await execute(bench('link_bench'), [])
process.stdout.write(stdout)
for (const count of [1, 2, 3])
  await with_nodes(count, async (folder) => {
    await turns(count)
    if (count < 3) return
    await drains()
    for (const watched of [true, false]) await kill(folder, watched)
  })
report({ name: 'cluster_bench', unit: 's', value: Math.round(performance.now() / 1000) })
