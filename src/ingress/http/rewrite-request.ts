import { field } from './field.ts'
import type { Framing } from './framing.ts'
import type { HeadWriter } from './head-writer.ts'
import { ascii, slash, space } from './octets.ts'
import type { RequestHead } from './request-head.ts'

/** What a request says on behalf of its client's connection, and of the entry that it came through. */
export interface Hop {
  /** The client as X-Forwarded-For and as Forwarded write it. */
  readonly client: Uint8Array
  readonly forwardedFor: Uint8Array
  /** For clients of old that name no host. */
  readonly ownHost: Uint8Array
  /** What the client says about others is true. */
  readonly isTrusted: boolean
  /** The entry's name in `Via`. */
  readonly via: Uint8Array
}

const words = {
  version: ascii(' HTTP/1.1\r\nHost: '),
  contentLength: ascii('Content-Length: '),
  chunked: ascii('Transfer-Encoding: chunked\r\n'),
  expect: ascii('Expect: 100-continue\r\n'),
  upgrade: ascii('Connection: Upgrade\r\nUpgrade: websocket\r\n'),
  trailers: ascii('Connection: TE\r\nTE: trailers\r\n'),
  forwardedFor: ascii('X-Forwarded-For: '),
  proto: ascii('X-Forwarded-Proto: http\r\n'),
  host: ascii('X-Forwarded-Host: '),
  forwarded: ascii('Forwarded: '),
  forwardedHost: ascii(';host="'),
  forwardedProto: ascii('";proto=http'),
  via: ascii('Via: '),
  via11: ascii('1.1 '),
  via10: ascii('1.0 '),
  requestId: ascii('X-Request-Id: '),
  maxForwards: ascii('Max-Forwards: '),
}

/**
 * The head as the task gets it: written anew from validated parts, so that what was checked is what
 * is sent. Whatever is for one hop alone is left out, and so is what a stranger says of others.
 */
export function rewriteRequest(
  head: RequestHead,
  hop: Hop,
  { writer, requestId }: { readonly writer: HeadWriter; readonly requestId: string },
): Uint8Array {
  const { fields } = head
  writer.begin().copy(fields.bytes, head.methodFrom, head.methodTo).byte(space)
  writeTarget(head, writer)
  writer.put(words.version)
  writeHost(head, hop, writer)
  writer.endLine()
  for (let index = 0; index < fields.fieldCount; index++) {
    if (passes(head, hop, index)) writer.field(fields, index)
  }
  writeFraming(head.framing, writer)
  writeForThisHop(head, writer)
  writeForwarded(head, hop, writer)
  writeVia(head, hop, writer)
  const isOwnId = !hop.isTrusted || !hasField(head, field.xRequestId)
  if (isOwnId) writer.put(words.requestId).text(requestId).endLine()
  return writer.end()
}

function passes(head: RequestHead, hop: Hop, index: number): boolean {
  const code = head.fields.code(index)
  switch (code) {
    case field.other:
      return !head.connection.names(head.fields, index)
    case field.xForwardedProto:
    case field.xForwardedHost:
    case field.xForwardedPort:
    case field.xForwardedServer:
    case field.xForwardedPrefix:
    case field.xRealIp:
    case field.xRequestId:
      return hop.isTrusted
    case field.maxForwards:
      return head.maxForwards === null
    default:
      // Written anew, of this hop alone, or spelt to be taken for something that it is not.
      return false
  }
}

function writeTarget(head: RequestHead, writer: HeadWriter): void {
  const { bytes } = head.fields
  const first = head.targetTo > head.targetFrom ? bytes[head.targetFrom] : 0
  if (first !== slash && first !== 0x2a) writer.byte(slash)
  writer.copy(bytes, head.targetFrom, head.targetTo)
}

function writeHost(head: RequestHead, hop: Hop, writer: HeadWriter): void {
  if (head.hostTo === head.hostFrom) writer.put(hop.ownHost)
  else writer.copy(head.fields.bytes, head.hostFrom, head.hostTo)
}

function writeFraming(framing: Framing, writer: HeadWriter): void {
  if (framing.kind === 'chunked') writer.put(words.chunked)
  if (framing.kind !== 'length') return
  writer.put(words.contentLength).text(String(framing.bytes)).endLine()
}

function writeForThisHop(head: RequestHead, writer: HeadWriter): void {
  if (head.expectsContinue) writer.put(words.expect)
  if (head.wantsUpgrade) writer.put(words.upgrade)
  else if (head.acceptsTrailers) writer.put(words.trailers)
  if (head.maxForwards === null) return
  writer
    .put(words.maxForwards)
    .text(String(head.maxForwards - 1))
    .endLine()
}

function writeForwarded(head: RequestHead, hop: Hop, writer: HeadWriter): void {
  writer.put(words.forwardedFor)
  if (hop.isTrusted) writeEarlier(head, field.xForwardedFor, writer)
  writer.put(hop.client).endLine()
  if (!hop.isTrusted || !hasField(head, field.xForwardedProto)) writer.put(words.proto)
  if (!hop.isTrusted || !hasField(head, field.xForwardedHost)) {
    writer.put(words.host)
    writeHost(head, hop, writer)
    writer.endLine()
  }
  writer.put(words.forwarded)
  if (hop.isTrusted) writeEarlier(head, field.forwarded, writer)
  writer.put(hop.forwardedFor).put(words.forwardedHost)
  writeHost(head, hop, writer)
  writer.put(words.forwardedProto).endLine()
}

function writeVia(head: RequestHead, hop: Hop, writer: HeadWriter): void {
  writer.put(words.via)
  writeEarlier(head, field.via, writer)
  writer
    .put(head.minor === 1 ? words.via11 : words.via10)
    .put(hop.via)
    .endLine()
}

/** What other hops said before, as one list. */
function writeEarlier(head: RequestHead, code: number, writer: HeadWriter): void {
  for (let index = 0; index < head.fields.fieldCount; index++) {
    const isSaid = head.fields.valueTo(index) > head.fields.valueFrom(index)
    if (head.fields.code(index) !== code || !isSaid) continue
    writer.value(head.fields, index).separator()
  }
}

function hasField(head: RequestHead, code: number): boolean {
  for (let index = 0; index < head.fields.fieldCount; index++) {
    if (head.fields.code(index) === code) return true
  }
  return false
}
