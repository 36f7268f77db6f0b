// Clusters of the real program whose nodes a test starts one by one, each in its own way.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, freePort, program, run, until } from './node.mjs'

const services = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../scripts/services')

/** A folder that the services' user reaches; to be removed when they have ended. */
export function servicesFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-cf-'))
  fs.chmodSync(folder, 0o755)
  return folder
}

export const postgresIn = (folder, schema = '') =>
  `postgresql://sotto@/postgres?host=${folder}/postgres${schema}`

export class Cluster {
  /** Starts PostgreSQL (and what else is named) for the test `t`; nodes come by `start`. */
  static async open(t, { kinds = ['postgres'], set = [] } = {}) {
    const cluster = new Cluster()
    Object.assign(cluster, { data: servicesFolder(), kinds, set, running: new Map() })
    t.after(async () => {
      await Promise.all([...cluster.running.keys()].map((x) => cluster.kill(x)))
      cluster.services('stop')
      fs.rmSync(cluster.data, { recursive: true, force: true })
    })
    cluster.services('start')
    return cluster
  }

  get postgres() {
    return postgresIn(`${this.data}/services`)
  }

  services(command, ...kinds) {
    execFileSync(services, [command, `${this.data}/services`, ...(kinds.length ? kinds : this.kinds)],
      { stdio: ['ignore', 'ignore', 'inherit'] })
  }

  /** A certificate for a node, by the authority in the folder `of`. */
  async certify(name, of = 'certs') {
    const dir = path.join(this.data, of)
    if (!fs.existsSync(`${dir}/${name}.pem`)) {
      const made = await run(['cluster', 'certs', '--dir', dir, '--node', name])
      if (made.code !== 0) throw new Error(made.stderr)
    }
    return [`cluster.certificate=${dir}/${name}.pem`, `cluster.key=${dir}/${name}.key`, `cluster.ca=${dir}/ca.pem`]
  }

  /** Starts a node without waiting for it. `prefix` is what runs the program, `host` its address. */
  async launch(name, { set = [], prefix = [], host = '127.0.0.1', certs = 'certs', port } = {}) {
    const http = port ?? (await freePort()), link = port ? port + 100 : await freePort()
    const home = path.join(this.data, name)
    fs.mkdirSync(home, { recursive: true, mode: 0o700 })
    const settings = [`cluster.name=${name}`, `cluster.listen=${host}:${link}`, `store.url=${this.postgres}`,
      'log.level=info', ...(await this.certify(name, certs)), ...this.set, ...set]
    const [command, ...args] = [...prefix, program, 'node', '--data', home, '--listen', `${host}:${http}`,
      ...settings.flatMap((x) => ['--set', x])]
    const log = fs.openSync(path.join(home, 'log'), 'a')
    const child = spawn(command, args, { stdio: ['ignore', log, log], cwd: os.tmpdir(), env: cleanEnvironment({}) })
    fs.closeSync(log)
    const node = { name, child, pid: child.pid, http: `http://${host}:${http}`, cluster: `${host}:${link}` }
    node.exited = once(child, 'close').then(([code, signal]) => (node.ended = { code, signal }))
    this.running.set(name, node)
    this.list()
    return node
  }

  /** Starts a node and waits until it is ready. */
  async start(name, options) {
    const node = await this.launch(name, options)
    await until(`${name} is ready`, async () => {
      if (node.ended) throw new Error(`${name} ended: ${JSON.stringify(node.ended)}\n${this.log(name)}`)
      return fetch(`${node.http}/readyz`).then((x) => x.status === 200, () => false)
    }, 30_000)
    return node
  }

  async kill(name) {
    const node = this.running.get(name)
    if (!node.ended) node.child.kill('SIGKILL')
    await node.exited
    this.running.delete(name)
    this.list()
  }

  /** As scripts/cluster keeps it, for the checker. */
  list() {
    const all = [...this.running.values()].map(({ name, pid, http, cluster }) => ({ name, pid, http, cluster }))
    fs.writeFileSync(path.join(this.data, 'nodes.json'), JSON.stringify(all))
  }

  log(name) {
    return fs.readFileSync(path.join(this.data, name, 'log'), 'utf8')
  }

  /** What a node says of the cluster; nothing where it does not answer. */
  view(name) {
    return fetch(`${this.running.get(name).http}/v1/admin/cluster`, { signal: AbortSignal.timeout(2000) })
      .then((x) => x.json(), () => null)
  }

  async partitions(name, of) {
    return (await this.view(name))?.nodes.find((x) => x.name === of)?.partitions
  }

  /** Waits until `by` sees everything owned by live nodes, and as much by each as `shares` says. */
  settled(by, shares = {}, ms = 30_000) {
    let x
    const what = { toString: () => `all is settled: ${x?.moving} move, ${x?.nodes.map((n) => `${n.name} has ${n.partitions}`)}` }
    return until(what, async () => {
      x = await this.view(by)
      if (!x?.partitions || x.moving !== 0 || !x.partitions.every((p) => p.live)) return false
      const fits = ([name, enough]) => enough(x.nodes.find((n) => n.name === name)?.partitions ?? 0)
      return Object.entries(shares).every(fits) && x
    }, ms)
  }

  async linked(name, peer) {
    return (await this.view(name))?.nodes.find((x) => x.name === peer)?.linked
  }

  /** The sum of a metric's series whose labels hold all of `labels`. */
  async figure(name, metric, ...labels) {
    const text = await fetch(`${this.running.get(name).http}/metrics`).then((x) => x.text())
    return text.split('\n').filter((x) => x.startsWith(metric) && labels.every((l) => x.includes(l)))
      .reduce((sum, x) => sum + Number(x.slice(x.lastIndexOf(' '))), 0)
  }
}

/** Stands between one node and PostgreSQL; `cut` lets nothing through, in neither direction. */
export class PostgresProxy {
  static async open(t, cluster) {
    const proxy = new PostgresProxy()
    const folder = servicesFolder()
    proxy.pairs = new Set()
    proxy.url = `postgresql://sotto@/postgres?host=${folder}`
    proxy.server = net.createServer({ allowHalfOpen: true }, (client) => {
      const server = net.connect(`${cluster.data}/services/postgres/.s.PGSQL.5432`)
      const pair = [client, server]
      proxy.pairs.add(pair)
      for (const [from, to] of [pair, [server, client]]) {
        from.on('error', () => to.destroy())
        from.on('close', () => (to.destroy(), proxy.pairs.delete(pair)))
      }
      if (!proxy.isCut) proxy.join(pair)
    })
    await new Promise((done) => proxy.server.listen(`${folder}/.s.PGSQL.5432`, done))
    t.after(() => {
      for (const pair of proxy.pairs) pair.forEach((x) => x.destroy())
      proxy.server.close()
      fs.rmSync(folder, { recursive: true, force: true })
    })
    return proxy
  }

  join([client, server]) {
    client.pipe(server)
    server.pipe(client)
  }

  cut() {
    this.isCut = true
    for (const [client, server] of this.pairs) {
      client.unpipe(server).pause()
      server.unpipe(client).pause()
    }
  }

  heal() {
    this.isCut = false
    for (const pair of this.pairs) this.join(pair)
  }
}
