// An upstream that speaks the OpenAI chat protocol, with delays and faults by the model's name:
//   echo          says what it was told last, and which system prompt it got, word by word
//   slow          the same, a word every `pace` milliseconds (200)
//   cut-stream    closes the socket in the middle of its answer
//   error-500     500 with an error body
//   rate-limited  429 with Retry-After
//   garbage       200 with bytes that are no JSON and no events
//   stall         takes the request and never answers
// GET /stats: {requests, aborted, running, last}; `last` is the last request's body and headers.
// As a program it prints {"port":N} on stdout.
import http from 'node:http'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

// A pause under way does not keep a test from ending.
const pause = (ms) => new Promise((done) => setTimeout(done, ms).unref())

function refuse(response, status, message, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify({ error: { message, type: 'upstream_test', code: String(status), param: null } }))
}

function answerText(body) {
  const system = body.messages.filter((x) => x.role === 'system').map((x) => x.content).join(' ')
  return `You said: ${body.messages.at(-1).content} (${body.messages.length} messages, ${system.length} of system)`
}

/** Starts the upstream; `pace` is the pause between the words of `slow` in milliseconds. */
export async function startUpstream({ port = 0, host = '127.0.0.1', pace = 200, key } = {}) {
  const stats = { requests: 0, aborted: 0, running: 0, last: null }
  const created = Math.floor(Date.now() / 1000)

  async function stream(body, response, words, wait) {
    const event = (x) => response.write(`data: ${JSON.stringify({
      id: 'up-1', object: 'chat.completion.chunk', created, model: body.model, ...x })}\n\n`)
    const choice = (delta, reason = null) => ({ choices: [{ index: 0, delta, finish_reason: reason }] })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    event(choice({ role: 'assistant', content: '' }))
    for (const [i, word] of words.entries()) {
      if (wait) await pause(wait)
      if (response.destroyed) return
      if (body.model === 'cut-stream' && i === 2) return response.destroy()
      event(choice({ content: (i ? ' ' : '') + word }))
    }
    event(choice({}, 'stop'))
    if (body.stream_options?.include_usage)
      event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: words.length, total_tokens: 7 + words.length } })
    response.end('data: [DONE]\n\n')
  }

  async function plain(body, response, words, wait) {
    for (let i = 0; wait && i < words.length && !response.destroyed; ++i) await pause(wait)
    if (response.destroyed) return
    const text = JSON.stringify({ id: 'up-1', object: 'chat.completion', created, model: body.model,
      choices: [{ index: 0, message: { role: 'assistant', content: words.join(' ') }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: words.length, total_tokens: 7 + words.length } })
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    if (body.model !== 'cut-stream') return response.end(text)
    response.write(text.slice(0, text.length / 2), () => response.destroy())
  }

  async function chat(request, response, body) {
    const words = answerText(body).split(' ')
    switch (body.model) {
      case 'error-500': return refuse(response, 500, 'the upstream broke')
      case 'rate-limited': return refuse(response, 429, 'too many requests', { 'Retry-After': '1' })
      case 'garbage':
        response.writeHead(200, { 'Content-Type': body.stream ? 'text/event-stream' : 'application/json' })
        return response.end(body.stream ? 'data: {"choices":[{"del\n\ndata: \x01\x02\n\n' : '{"choices": \x00\x01')
      case 'stall': return
      case 'echo': case 'slow': case 'cut-stream':
        return (body.stream ? stream : plain)(body, response, words, body.model === 'slow' ? pace : 0)
      default: return refuse(response, 404, `there is no model ${body.model}`)
    }
  }

  const server = http.createServer(async (request, response) => {
    if (request.method === 'GET' && request.url === '/stats')
      return response.end(JSON.stringify(stats))
    if (request.method !== 'POST' || !request.url.endsWith('/chat/completions'))
      return refuse(response, 404, `there is no ${request.method} ${request.url}`)
    let text = ''
    try {
      for await (const x of request.setEncoding('utf8')) text += x
    } catch {
      return
    }
    ++stats.requests
    ++stats.running
    response.on('close', () => {
      --stats.running
      if (!response.writableFinished && !response.cutByUs) ++stats.aborted
    })
    let body
    try { body = JSON.parse(text) } catch { return refuse(response, 400, 'no JSON') }
    stats.last = { body, headers: request.headers }
    if (key && request.headers.authorization !== `Bearer ${key}`)
      return refuse(response, 401, 'wrong key')
    if (body.model === 'cut-stream') response.cutByUs = true
    await chat(request, response, body)
  })
  server.listen(port, host)
  await once(server, 'listening')
  const close = () => new Promise((done) => {
    server.close(done)
    server.closeAllConnections()
  })
  return { port: server.address().port, url: `http://${host}:${server.address().port}/v1`, stats, close }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = await startUpstream({ port: Number(process.argv[2] ?? 0) })
  console.log(JSON.stringify({ port }))
}
