// Tests in a network of their own, made by running the test's file again inside it: nothing of it is
// seen outside, and nothing is left when it ends.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const inside = process.env.SOTTO_TEST_INSIDE === '1'
const apart = ['--net', '--mount']

/** Why there can be no namespaces here; empty where there can. */
function missing() {
  const probe = 'ip link add probe type bridge && ip link add x type veth peer name y'
  const done = spawnSync('unshare', [...apart, 'sh', '-c', probe], { encoding: 'utf8' })
  return done.status === 0 ? '' : `network namespaces are not to be had here: ${done.error?.message ?? done.stderr.trim()}`
}

/** The test `body` of the file at `url`, the only one there. Left out, with the reason, where there are no namespaces. */
export function testInOwnNetwork(title, url, body) {
  if (inside) return test(title, body)
  return test(title, async (t) => {
    const why = missing()
    if (why) return t.skip(why)
    const { NODE_TEST_CONTEXT, ...env } = process.env
    const child = spawn('unshare', [...apart, process.execPath, '--test-force-exit', fileURLToPath(url)],
      { env: { ...env, SOTTO_TEST_INSIDE: '1' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (x) => (said += x))
    const [code] = await once(child, 'close')
    for (const x of said.match(/diagnostic: .*/g) ?? []) t.diagnostic(x)
    assert.equal(code, 0, said)
  })
}
