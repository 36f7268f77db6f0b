// A client of /v1/actors, in msgpack or JSON.
import { once } from 'node:events'
import { decode, encode } from '@msgpack/msgpack'
import WebSocket from 'ws'

export class ActorSocket {
  /** Connects; `format` is msgpack or json. */
  static async open(t, node, format, headers = {}) {
    const socket = new ActorSocket()
    socket.json = format === 'json'
    socket.ws = new WebSocket(`${node.url.replace('http', 'ws')}/v1/actors`, `sotto.${format}.v1`, { headers })
    socket.waiting = new Map()
    socket.stray = []
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
    if (!call) {
      this.stray.push(answer)
      this.onstray?.()
    } else if (answer.type === 'token') {
      call.tokens.push(answer.body.text)
      call.ontoken?.()
    } else {
      this.waiting.delete(answer.id)
      call.done({ ...answer, tokens: call.tokens })
    }
  }

  raw(frame) {
    this.ws.send(frame)
  }

  /** Sends a call; the answer is {id, type, trace, body, tokens}. */
  call(type, body, more = {}) {
    const id = more.id ?? this.next++
    const envelope = { id, type, body, ...more }
    return this.send(envelope)
  }

  send(envelope, ontoken) {
    return new Promise((done) => {
      this.waiting.set(envelope.id, { done, ontoken, tokens: [] })
      this.raw(this.json ? JSON.stringify(envelope) : encode(envelope))
    })
  }

  /** The next answer that belongs to no call of ours. */
  async unasked() {
    while (this.stray.length === 0) await new Promise((done) => (this.onstray = done))
    return this.stray.shift()
  }
}
