// SIGTERM and SIGINT: running turns finish, new ones are refused, all is flushed, exit code 0.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Node, pause, until } from './node.mjs'
import { startUpstream } from './upstream.mjs'

async function slowNode(t, pace, more = '') {
  const upstream = await startUpstream({ pace })
  t.after(() => upstream.close())
  const node = await Node.start(t, { config: `${more}
[[llm.deployments]]
name = "slow"
base_url = "${upstream.url}"
model = "slow"
[[personas]]
name = "companion"
llm = ["slow"]
` })
  return { node, upstream }
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`${signal} lets running turns finish`, async (t) => {
    const { node, upstream } = await slowNode(t, 100)
    const plain = node.say('ada', 'Tell me.')
    const stream = node.get('/v1/chat/completions', { method: 'POST', body: JSON.stringify({
      model: 'companion', user: 'bo', stream: true, messages: [{ role: 'user', content: 'Tell me.' }] }) })
      .then((x) => x.text())
    await until('both turns run', () => upstream.stats.running === 2)
    node.child.kill(signal)
    assert.match((await plain).choices[0].message.content, /^You said: Tell me\./)
    assert.ok((await stream).endsWith('data: [DONE]\n\n'))
    assert.deepEqual(await node.exited, { code: 0, signal: null }, node.stderr)
    const again = await Node.start(t, { data: node.data })
    assert.equal((await again.memories('ada')).length, 2)
    assert.equal((await again.memories('bo')).length, 2)
  })
}

test('a draining node refuses new turns on open connections', async (t) => {
  const { node, upstream } = await slowNode(t, 150)
  await node.say('cy', 'Hi') // leaves a kept-alive connection
  const running = node.say('ada', 'Tell me.')
  await until('the turn runs', () => upstream.stats.running === 1)
  node.child.kill('SIGTERM')
  const refused = await until('a new turn is refused', async () => {
    try {
      const x = await node.call('POST', '/v1/chat/completions',
        { model: 'companion', messages: [{ role: 'user', content: 'Me too' }] })
      return x.status === 503 && x
    } catch {
      return 'closed'
    }
  }, 2000)
  if (refused !== 'closed') assert.ok(refused.headers.get('retry-after'))
  assert.match((await running).choices[0].message.content, /^You said: Tell me\./)
  assert.equal((await node.exited).code, 0)
})

test('a turn that never ends is given up after the time for draining', async (t) => {
  const { node, upstream } = await slowNode(t, 60_000, '[node]\ndrain_timeout = "1s"\n')
  const running = node.say('ada', 'Tell me.').catch((x) => x)
  await until('the turn runs', () => upstream.stats.running === 1)
  await node.stop(8000)
  assert.ok((await running) instanceof Error)
})

test('an idle node ends at once, however many clients are connected', async (t) => {
  const node = await Node.start(t)
  await Promise.all(Array.from({ length: 20 }, (_, i) => node.say(`u${i}`, 'Hello!')))
  await pause(50)
  await node.stop(5000)
  const again = await Node.start(t, { data: node.data })
  for (let i = 0; i < 20; ++i) assert.equal((await again.memories(`u${i}`)).length, 2)
})
