// A client of /v1/actors, in msgpack or JSON.
import { once } from 'node:events'
import { decode, encode } from '@msgpack/msgpack'
import WebSocket from 'ws'

export class ActorSocket {
  /** Connects; `format` is msgpack or json; `options` are those of `ws`. */
  static async open(t, node, format, options = {}) {
    const socket = new ActorSocket()
    socket.json = format === 'json'
    socket.ws = new WebSocket(`${node.url.replace('http', 'ws')}/v1/actors`, `sotto.${format}.v1`, options)
    socket.waiting = new Map()
    socket.stray = []
    socket.events = []
    socket.credit = Infinity
    socket.next = 1
    socket.ws.on('message', (bytes, binary) => socket.#arrived(bytes, binary))
    socket.ws.on('error', () => {})
    socket.closed = once(socket.ws, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }))
    t.after(() => socket.ws.terminate())
    await once(socket.ws, 'open')
    return socket
  }

  #arrived(bytes, binary) {
    if (binary === this.json) throw new Error('a frame of the wrong kind')
    const answer = this.json ? JSON.parse(bytes.toString('utf8')) : decode(bytes)
    const call = this.waiting.get(answer.id)
    if (answer.type === 'credit') {
      this.credit += answer.body.calls
      this.oncredit?.()
    } else if (answer.type === 'event') {
      this.events.push(answer)
    } else if (!call) {
      this.stray.push(answer)
      this.onstray?.()
    } else if (answer.type === 'token') {
      call.tokens.push(answer.body.text)
      call.pieces.push(answer.body)
      call.ontoken?.(answer.body)
    } else if (answer.type === 'resumed') {
      call.resumed = answer.body
    } else {
      this.waiting.delete(answer.id)
      call.done({ ...answer, tokens: call.tokens, pieces: call.pieces, resumed: call.resumed })
    }
  }

  raw(frame) {
    this.ws.send(frame)
  }

  /** Sends a call; the answer is {id, type, trace, body, tokens, pieces, resumed}. */
  call(type, body, more = {}) {
    const id = more.id ?? this.next++
    const envelope = { id, type, body, ...more }
    return this.send(envelope)
  }

  send(envelope, ontoken) {
    return new Promise((done) => {
      this.waiting.set(envelope.id, { done, ontoken, tokens: [], pieces: [] })
      this.tell(envelope)
    })
  }

  /** Sends an envelope that gets no answer. */
  tell(envelope) {
    this.raw(this.json ? JSON.stringify(envelope) : encode(envelope))
  }

  /** Takes part in the flow control of calls: `spend` waits until there is credit for one. */
  async hello() {
    const { body } = await this.call('hello', {})
    this.credit = body.calls
    return body
  }

  async spend() {
    while (this.credit === 0) await new Promise((done) => (this.oncredit = done))
    --this.credit
  }

  /** The next answer that belongs to no call of ours. */
  async unasked() {
    while (this.stray.length === 0) await new Promise((done) => (this.onstray = done))
    return this.stray.shift()
  }
}
