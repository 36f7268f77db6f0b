// The original engine's chat API, as its web frontend and scripts call it.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Node } from './node.mjs'

test('the original\'s chat calls are answered in its shapes', async (t) => {
  const node = await Node.start(t)
  const chat = (body) => node.call('POST', '/api/chat', body)

  await t.test('as the web frontend asks', async () => {
    assert.equal((await node.call('GET', '/health')).body.status, 'healthy')
    const x = await chat({ user_id: 'ada', message: 'I love my new garden!',
      context: { channel_type: 'web_ui', platform: 'web', metadata: {} } })
    assert.equal(x.status, 200)
    assert.equal(x.body.success, true)
    assert.ok(x.body.response.length > 0)
    assert.ok(!Number.isNaN(Date.parse(x.body.timestamp)))
    assert.equal(x.body.bot_name, 'companion')
    assert.equal(typeof x.body.processing_time_ms, 'number')
    assert.equal(x.body.memory_stored, true)
    const { emotion_data: mood } = x.body.metadata.ai_components
    assert.equal(mood.primary_emotion, 'love')
    assert.ok(mood.intensity > 0)
    assert.ok(mood.sentiment_compound > 0.5)
  })

  await t.test('it shares its memory with the other surfaces', async () => {
    await chat({ user_id: 'bo', message: 'My sister Anna keeps bees.' })
    const x = await node.say('bo', 'What does Anna keep?')
    assert.ok(x.sotto.memories.some((y) => y.text.includes('bees')))
  })

  await t.test('what was said in private is not recalled in a channel, nor one channel\'s in another', async () => {
    const at = (user_id, channel_id, message) => chat({ user_id, message,
      context: channel_id ? { channel_type: 'guild', channel_id } : { channel_type: 'dm', channel_id: 'd1' } })
    const recalled = (x) => x.body.metadata.ai_components.recalled.map((y) => y.text).join()
    await at('kim', null, 'My secret garden is in Utrecht.')
    await at('kim', 'c1', 'The club garden has tulips.')
    assert.ok(!recalled(await at('kim', 'c1', 'What about the garden?')).includes('Utrecht'))
    assert.ok(recalled(await at('lee', 'c1', 'And the tulips in the garden?')).includes('tulips'))
    assert.ok(!recalled(await at('kim', 'c2', 'What about the garden?')).includes('tulips'))
    const own = recalled(await at('kim', null, 'Where is my garden?'))
    assert.ok(own.includes('Utrecht') && !own.includes('tulips'))
  })

  await t.test('metadata by level', async () => {
    const at = async (metadata_level) => (await chat({ user_id: 'cy', message: 'Hello.', metadata_level })).body
    assert.ok(!('metadata' in (await at('basic'))))
    assert.ok('metadata' in (await at('standard')))
    const extended = await at('extended')
    assert.ok('metadata' in extended && 'user_facts' in extended)
  })

  await t.test('wrong requests are 400 with a plain error', async () => {
    for (const body of [{}, { user_id: 'x' }, { message: 'x' }, { user_id: 'x', message: 7 },
      { user_id: 'x', message: 'y', metadata_level: 'all' }, { user_id: 'x', message: 'y', context: 3 }, '{', '[]']) {
      const x = await chat(body)
      assert.equal(x.status, 400, JSON.stringify(body))
      assert.equal(typeof x.body.error, 'string')
      assert.equal(x.body.success, false)
    }
  })

  await t.test('a batch is answered one by one, its wrong parts included', async () => {
    const x = await node.call('POST', '/api/chat/batch', { messages: [
      { user_id: 'di', message: 'First.' }, { user_id: 'di' }, { user_id: 'di', message: 'Third.' },
      { user_id: 'ed', message: 'Fourth.' }] })
    assert.equal(x.status, 200)
    assert.equal(x.body.total_processed, 4)
    assert.deepEqual(x.body.results.map((y) => y.index), [0, 1, 2, 3])
    assert.deepEqual(x.body.results.map((y) => y.success), [true, false, true, true])
    assert.deepEqual(x.body.results.map((y) => y.user_id), ['di', 'di', 'di', 'ed'])
    assert.match(x.body.results[1].error, /message/)
    const own = (await node.memories('di')).filter((y) => y.speaker === 'di')
    assert.deepEqual(own.map((y) => y.text), ['First.', 'Third.'])
    for (const messages of [[], Array(11).fill({ user_id: 'x', message: 'y' }), 'x'])
      assert.equal((await node.call('POST', '/api/chat/batch', { messages })).status, 400)
  })

  await t.test('bot-info, ready and status', async () => {
    const info = (await node.call('GET', '/api/bot-info')).body
    for (const key of ['bot_name', 'bot_id', 'status', 'platform', 'api_version', 'capabilities', 'character_info', 'timestamp'])
      assert.ok(key in info, key)
    assert.equal((await node.call('GET', '/ready')).body.status, 'ready')
    assert.equal((await node.call('GET', '/status')).status, 200)
  })
})

test('health, metrics and the dashboard', async (t) => {
  const node = await Node.start(t)
  await node.say('ada', 'Hello!')
  assert.equal((await node.call('GET', '/livez')).status, 200)
  const metrics = await node.get('/metrics')
  assert.match(metrics.headers.get('content-type'), /^text\/plain/)
  const text = await metrics.text()
  for (const line of text.trim().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \w+ .*|\w+(\{.*\})? -?[0-9.eE+-]+|\w+(\{.*\})? [+-]?(Inf|NaN))$/, line)
  assert.match(text, /^sotto_\w+/m)
  const page = await node.get('/')
  assert.match(page.headers.get('content-type'), /^text\/html/)
  assert.ok(page.headers.get('content-security-policy'))
  assert.match(await page.text(), /<title>/i)
})
