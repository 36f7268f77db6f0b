// Checks a cluster from outside: writers who retry until they are answered, while nodes are killed,
// paused, cut off and restarted; then every acknowledged write must be there exactly once and in order.
// Knows the public protocol, DIR/nodes.json and scripts/cluster alone.
//   node test/e2e/checker.mjs --data DIR [--seconds 600] [--users 24] [--faults kill,pause,restart,cut]
//     [--every 12] [--seed 1] [--patience 2]
// `cut` takes a cluster that was started with --apart yes. A writer behaves as a frontend should: it
// stays with a gateway; a call that has no answer after `patience` seconds, or whose WebSocket gives no
// pong for half of that, goes on at another gateway with the same key. What it prints of `waits`: of
// calls that failed at first or took over half a second, by the fault that they fell into; `own` are
// those that were tried at the faulty node itself. A user lives in one partition, so these are
// partitions' too. `longest` are the longest, with what each try of them got and when.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import WebSocket from 'ws'

const cluster = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../scripts/cluster')
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

/** Repeats the same choices for the same seed (Mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

async function request(url, method, body, key, ms) {
  const headers = { 'Content-Type': 'application/json' }
  if (key) headers['Idempotency-Key'] = key
  const answer = await fetch(url, {
    method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(ms),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${answer.status} ${text.slice(0, 200)}`)
  return JSON.parse(text)
}

/** Of a WebSocket, in the time that a call may take. */
const beats = 8

/** One call over a WebSocket of its own life: opened when needed, dropped when anything fails. */
class Socket {
  async call(url, type, body, ms) {
    if (this.url !== url || this.ws?.readyState !== WebSocket.OPEN) await this.#open(url, ms)
    const id = (this.next = (this.next ?? 0) + 1)
    return new Promise((done, fail) => {
      let unanswered = 0
      const beat = setInterval(() => {
        if (++unanswered > beats / 2) drop('no pong in time')
        else this.ws.ping()
      }, ms / beats)
      const end = (f, x) => {
        clearTimeout(timer)
        clearInterval(beat)
        for (const [what, by] of heard) this.ws?.off(what, by)
        f(x)
      }
      const drop = (why) => {
        this.ws?.terminate()
        end(fail, new Error(why))
      }
      const heard = Object.entries({
        pong: () => (unanswered = 0),
        close: () => end(fail, new Error('the socket closed')),
        message: (bytes) => {
          const x = JSON.parse(bytes.toString('utf8'))
          if (x.id !== id || x.type === 'token') return
          if (x.type === 'error') end(fail, new Error(JSON.stringify(x.body).slice(0, 200)))
          else end(done, x.body)
        },
      })
      const timer = setTimeout(() => drop('no answer in time'), ms)
      for (const [what, by] of heard) this.ws.on(what, by)
      this.ws.send(JSON.stringify({ id, type, body }))
    })
  }

  #open(url, ms) {
    this.ws?.terminate()
    this.url = url
    this.ws = new WebSocket(`${url.replace('http', 'ws')}/v1/actors`, 'sotto.json.v1')
    this.ws.on('error', () => {})
    return new Promise((done, fail) => {
      const timer = setTimeout(() => (this.ws.terminate(), fail(new Error('no connection in time'))), ms)
      this.ws.once('open', () => (clearTimeout(timer), done()))
      this.ws.once('close', () => (clearTimeout(timer), fail(new Error('no connection'))))
    })
  }

  close() {
    this.ws?.terminate()
  }
}

export class Checker {
  constructor({ data, users = 24, seed = 1, patience = 8000 }) {
    this.data = data
    this.patience = patience
    this.chance = random(seed)
    this.urls = this.nodes().map((x) => x.http)
    this.names = this.nodes().map((x) => x.name)
    this.users = Array.from({ length: users }, (_, i) => ({
      name: `checker-${seed}-${i}`, turns: [], memories: [], socket: i % 2 ? new Socket() : null,
    }))
    this.waits = []
    this.longest = []
    this.failed = 0
    this.retries = 0
    this.differing = 0
    this.faults = []
  }

  nodes() {
    return JSON.parse(fs.readFileSync(path.join(this.data, 'nodes.json'), 'utf8'))
  }

  pick(list) {
    return list[Math.floor(this.chance() * list.length)]
  }

  say(user, url, text, key) {
    if (user.socket)
      return user.socket.call(url, 'say', { user: user.name, text, idempotency_key: key }, this.patience)
        .then((x) => x.text)
    return request(`${url}/v1/chat/completions`, 'POST',
      { model: 'companion', user: user.name, messages: [{ role: 'user', content: text }] }, key, this.patience)
      .then((x) => x.choices[0].message.content)
  }

  /** The user's gateway; for a new call now and then another. */
  gateway(user, anew) {
    if (!this.urls.includes(user.at) || (anew && this.chance() < 0.1)) this.goOn(user)
    return user.at
  }

  /** Leaves a gateway, for those that did not fail this user lately. */
  goOn(user) {
    const others = this.urls.filter((x) => x !== user.at)
    const good = others.filter((x) => !(user.failed?.get(x) > performance.now() - 3000))
    user.at = this.pick(good.length ? good : others.length ? others : this.urls)
  }

  /** Tries until it is acknowledged; at another gateway when one fails. Notes how long that took. */
  async insist(user, what) {
    const start = performance.now()
    const story = [], asked = new Set()
    for (let tries = 0; ; ++tries) {
      const url = this.gateway(user, tries === 0)
      const at = performance.now()
      asked.add(url)
      try {
        const x = await what(url)
        const ms = performance.now() - start
        if (tries > 0 || ms > 500) this.wait(user, start, ms, asked)
        this.note(ms, story, url, at)
        return x
      } catch (why) {
        this.last = why.message
        story.push(`${url.slice(-4)} after ${Math.round(performance.now() - at)} ms: ${why.cause?.code ?? why.message}`.slice(0, 160))
        ++this.retries
        if (tries === 0) ++this.failed
        if (performance.now() - start > 120_000) throw new Error(`given up after 120 s: ${why.message}`)
        ;(user.failed ??= new Map()).set(url, performance.now())
        this.goOn(user)
        await pause(20)
      }
    }
  }

  /** Of the last fault that had begun when the wait ended, if that was not over for long when it began. */
  wait(user, start, ms, asked) {
    const fault = this.faults.at(-1)
    const caused = fault && (fault.over ?? Infinity) + 5_000 > start && fault.began < start + ms
    const own = Boolean(caused && asked.has(fault.http))
    this.waits.push({ kinds: caused ? [fault.kind, ...(fault.way ? [`${fault.kind} ${fault.way}`] : [])] : ['none'], own, ms })
    if (!caused) return
    fault.waited.add(user.name)
    fault.longest = Math.max(fault.longest, Math.round(ms))
  }

  /** Keeps the longest calls, answered at the first try or later. */
  note(ms, story, url, at) {
    if (ms < 500) return
    const took = Math.round(performance.now() - at)
    const gathered = []
    for (const x of story)
      if (gathered.at(-1)?.what === x.replace(/after \d+ ms/, '')) ++gathered.at(-1).times
      else gathered.push({ what: x.replace(/after \d+ ms/, ''), first: x, times: 1 })
    this.longest.push({ ms: Math.round(ms), ended: new Date().toISOString().slice(14, 23),
      tries: [...gathered.map((x) => (x.times > 1 ? `${x.first} (${x.times} times)` : x.first)), `${url.slice(-4)} answered after ${took} ms`] })
    this.longest.sort((a, b) => b.ms - a.ms).splice(8)
  }

  async write(user) {
    for (let n = 0; !this.stopping; ++n) {
      const text = `${user.name} says line ${n}`
      const reply = await this.insist(user, (url) => this.say(user, url, text, `${user.name}-${n}`))
      user.turns.push({ text, reply })
      if (n % 3 === 0) {
        const id = `note-${n}`
        const note = `${user.name} noted ${n}`
        await this.insist(user, (url) => request(`${url}/v1/memories`, 'POST', { user: user.name, id, text: note }, '', this.patience))
        user.memories.push({ id, text: note })
      }
      if (n % 5 === 0) {
        const again = await this.insist(user, (url) => this.say(user, url, text, `${user.name}-${n}`))
        if (again !== reply) ++this.differing
      }
    }
  }

  start() {
    this.writing = Promise.all(this.users.map((x) => this.write(x)))
    this.writing.catch(() => {})
  }

  async stop() {
    this.stopping = true
    await this.writing
    for (const x of this.users) x.socket?.close()
  }

  async cluster(...args) {
    await promisify(execFile)(cluster, [...args, '--data', this.data])
  }

  /** One fault and its end. */
  async strike(kind) {
    const victim = this.pick(this.names)
    const of = () => this.nodes().find((x) => x.name === victim)
    // One that was held up may end itself long after.
    if (!of() || !alive(of().pid)) await this.cluster('start-node', victim)
    const { pid, http } = of()
    const fault = { kind, victim, http, at: new Date().toISOString().slice(14, 23), began: performance.now(),
      longest: 0, waited: new Set() }
    this.faults.push(fault)
    const some = () => pause(1000 + this.chance() * 7000)
    if (kind === 'kill') {
      process.kill(pid, 'SIGKILL')
      await pause(4000 + this.chance() * 3000)
    } else if (kind === 'pause') {
      process.kill(pid, 'SIGSTOP')
      await some()
      process.kill(pid, 'SIGCONT')
    } else if (kind === 'cut') {
      fault.way = this.pick(['out', 'in', 'both'])
      await this.cluster('cut', victim, '--way', fault.way)
      await some()
      await this.cluster('heal', victim)
    } else if (kind === 'restart') {
      await this.cluster('stop-node', victim)
    } else throw new Error(`there is no fault ${kind}`)
    if (kind === 'pause' || kind === 'cut') await pause(3000)
    // One that was paused or cut off may have ended itself, as it must where it cannot be sure.
    if (!alive(pid)) await this.cluster('start-node', victim)
    fault.over = performance.now()
  }

  /** All lines of a user, in order. */
  async lines(user) {
    const all = []
    for (let after = ''; ; ) {
      const query = `user=${encodeURIComponent(user.name)}&limit=1000${after && `&after=${encodeURIComponent(after)}`}`
      const page = await this.insist(user, (url) => request(`${url}/v1/memories?${query}`, 'GET', null, '', this.patience))
      all.push(...page.results)
      if (!page.next || page.next === after || page.results.length === 0) return all
      after = page.next
    }
  }

  /** What is wrong; empty: every acknowledged write is there once, in order. */
  async check() {
    const wrong = []
    for (const user of this.users) {
      const lines = await this.lines(user)
      const notes = new Map(user.memories.map((x) => [x.id, x.text]))
      const said = lines.filter((x) => !notes.has(x.id)).map((x) => x.text)
      const meant = user.turns.flatMap((x) => [x.text, x.reply])
      if (said.length !== meant.length)
        wrong.push(`${user.name}: ${said.length} lines for ${meant.length} acknowledged`)
      const at = meant.findIndex((x, i) => x !== said[i])
      if (at >= 0) wrong.push(`${user.name}: line ${at} is '${said[at]}', not '${meant[at]}'`)
      const kept = lines.filter((x) => notes.has(x.id))
      if (kept.length !== notes.size || kept.some((x) => notes.get(x.id) !== x.text))
        wrong.push(`${user.name}: ${kept.length} notes for ${notes.size} acknowledged`)
    }
    if (this.differing) wrong.push(`${this.differing} retried turns had another reply`)
    return wrong
  }

  /** By kind of fault; `own` of those who asked the faulty node itself. */
  waitsByKind() {
    const parts = (of) => {
      const waits = of.map((x) => x.ms).sort((a, b) => a - b)
      const part = (p) => Math.round(waits[Math.min(waits.length - 1, Math.floor(waits.length * p))] ?? 0)
      return { calls: waits.length, p50_ms: part(0.5), p99_ms: part(0.99), max_ms: part(1) }
    }
    const kinds = [...new Set(this.waits.flatMap((x) => x.kinds))].sort()
    return Object.fromEntries(kinds.map((kind) => {
      const of = this.waits.filter((x) => x.kinds.includes(kind))
      return [kind, { own: parts(of.filter((x) => x.own)), others: parts(of.filter((x) => !x.own)) }]
    }))
  }

  summary() {
    return {
      turns: this.users.reduce((n, x) => n + x.turns.length, 0),
      memories: this.users.reduce((n, x) => n + x.memories.length, 0),
      failed_at_first: this.failed,
      retries: this.retries,
      waits: this.waitsByKind(),
      faults: this.faults.map(({ kind, way, victim, at, began, over, longest, waited }) =>
        ({ kind, way, victim, at, took_ms: Math.round(over - began), users_waited: waited.size, longest_ms: longest })),
      longest: this.longest,
    }
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' }, seconds: { type: 'string', default: '600' },
      users: { type: 'string', default: '24' }, seed: { type: 'string', default: '1' },
      every: { type: 'string', default: '12' }, faults: { type: 'string', default: 'kill,pause,restart' },
      patience: { type: 'string', default: '2' },
    },
  })
  if (!values.data) {
    console.error('checker: --data DIR of scripts/cluster is needed')
    process.exit(2)
  }
  const checker = new Checker({ data: values.data, users: +values.users, seed: +values.seed,
    patience: values.patience * 1000 })
  checker.start()
  const end = Date.now() + values.seconds * 1000
  while (Date.now() < end) {
    await pause(Math.min(values.every * 1000, Math.max(0, end - Date.now())))
    if (Date.now() < end && values.faults) await checker.strike(checker.pick(values.faults.split(',')))
  }
  await checker.stop()
  const wrong = await checker.check()
  console.log(JSON.stringify({ name: 'cluster_faults', ...checker.summary(), wrong }, null, 2))
  process.exit(wrong.length ? 1 : 0)
}
