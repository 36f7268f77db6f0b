// Where operations run: in their batcher, on workers, in a process of their own.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import test from 'node:test'
import { Node, run, tempFolder, until } from './node.mjs'

/** The children of a process, as numbers. */
function children(pid) {
  return fs.readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(/\s+/)
    } catch { return [] }
  }).filter(Boolean).map(Number)
}

/** Sum of a metric's lines that have all the labels. */
async function metric(node, name, ...labels) {
  const text = await (await node.get('/metrics')).text()
  return text.split('\n')
    .filter((x) => x.startsWith(name + '{') && labels.every((y) => x.includes(`"${y}"`)))
    .reduce((sum, x) => sum + Number(x.slice(x.lastIndexOf(' '))), 0)
}

const talk = 'My boss shouted at me and I am so angry about the deadline'

function check(reply) {
  assert.equal(reply.sotto.emotion.primary, 'anger')
  assert.deepEqual(reply.sotto.topics, ['work'])
  assert.deepEqual(reply.sotto.analyses, { urgency: ['urgent'] })
  assert.deepEqual(reply.sotto.degraded, [])
}

test('operations run in the lanes they are pinned to', async (t) => {
  const node = await Node.start(t, {
    set: ['work.lanes=topics=isolated,emotion=pool,embedding=detached'] })
  for (let i = 0; i < 5; ++i) check(await node.say('ada', `${talk} ${i}`))
  assert.equal(await metric(node, 'sotto_work_batches_total', 'topics', 'isolated'), 5)
  assert.equal(await metric(node, 'sotto_work_batches_total', 'emotion', 'pool'), 5)
  assert.ok(await metric(node, 'sotto_work_batches_total', 'embedding', 'detached') >= 5)
  assert.ok(await metric(node, 'sotto_pool_workers', 'pool') >= 1)

  const [worker] = children(node.child.pid)
  assert.ok(fs.readFileSync(`/proc/${worker}/cmdline`, 'utf8').includes('worker'))
  const sockets = fs.readdirSync(`/proc/${worker}/fd`)
    .filter((fd) => fs.readlinkSync(`/proc/${worker}/fd/${fd}`).startsWith('socket:') && fd > 2)
  assert.deepEqual(sockets, ['3'], 'no connection of the node lives on in its child')
  process.kill(worker, 'SIGKILL')
  await until('the process is started again', async () => {
    const reply = await node.say('ada', talk) // the batch that was lost is left out of its turn
    return !reply.sotto.degraded.length && children(node.child.pid).some((x) => x !== worker)
  })
  check(await node.say('ada', talk))
  assert.ok(await metric(node, 'sotto_isolated_starts_total', 'topics') >= 2)

  await t.test('and the process ends with its node', async () => {
    const [last] = children(node.child.pid)
    await node.kill()
    await until('the child is gone', () => {
      try {
        return fs.readFileSync(`/proc/${last}/stat`, 'utf8').split(' ')[2] === 'Z'
      } catch { return true }
    })
  })
})

test('a process that has no room fails its texts, not its node', async (t) => {
  const node = await Node.start(t, {
    set: ['work.lanes=embedding=isolated', 'work.isolated_memory=1MiB'] })
  const array = await node.call('POST', '/v1/embeddings', { model: 'sotto-sif-100d', input: 'one' })
  assert.ok(array.status >= 500, `${array.status}`)
  const reply = await node.say('ada', talk)
  assert.deepEqual(reply.sotto.degraded, ['embedding'])
  assert.equal(reply.sotto.memory_stored, true)
})

test('arrays keep their order in every lane', async (t) => {
  const texts = Array.from({ length: 700 }, (_, i) => (i % 2 ? 'I am so happy' : 'I am so angry'))
  const lists = []
  for (const lane of ['here', 'pool', 'detached', 'isolated']) {
    const node = await Node.start(t, { set: [`work.lanes=emotion=${lane}`] })
    const x = await node.call('POST', '/v1/emotions', { input: texts })
    assert.equal(x.status, 200)
    assert.deepEqual(x.body.data.map((y) => y.primary), texts.map((_, i) => (i % 2 ? 'joy' : 'anger')))
    lists.push(x.body.data)
    await node.stop()
  }
  for (const x of lists) assert.deepEqual(x, lists[0])
})

test('a lane that is none, and an operation that cannot be isolated, are errors', async (t) => {
  for (const [lane, says] of [
    ['topics=moon', 'here, pool, detached, isolated'],
    ['dreams=isolated', 'emotion, embedding, topics, urgency can']]) {
    const x = await run(['node', '--data', tempFolder(t), '--listen', '127.0.0.1:0',
      '--set', `work.lanes=${lane}`])
    assert.equal(x.code, 1)
    assert.ok(x.stderr.includes(says), x.stderr)
  }
})

test('the worker command says what there is not, and ends without its node', async () => {
  const x = await run(['worker', 'dreams'])
  assert.equal(x.code, 2)
  assert.ok(x.stderr.includes('dreams'))
})
