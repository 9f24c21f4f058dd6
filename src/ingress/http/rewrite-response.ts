import { field } from './field.ts'
import type { HeadWriter } from './head-writer.ts'
import { ascii, space } from './octets.ts'
import type { ResponseHead } from './response-head.ts'

/** What becomes of the client's connection after the answer. */
export interface ClientSide {
  /** False: HTTP/1.0, which knows no chunks and no interim answers. */
  readonly knowsChunks: boolean
  readonly staysOpen: boolean
  /** `Keep-Alive: timeout=` and so on, for connections that stay. */
  readonly keepAlive: Uint8Array
}

const words = {
  version: ascii('HTTP/1.1 '),
  contentLength: ascii('Content-Length: '),
  chunked: ascii('Transfer-Encoding: chunked\r\n'),
  close: ascii('Connection: close\r\n'),
  upgrade: ascii('Connection: Upgrade\r\nUpgrade: websocket\r\n'),
}

/** The head of a final answer as the client gets it, written anew from validated parts. */
export function rewriteResponse(
  head: ResponseHead,
  client: ClientSide,
  writer: HeadWriter,
): Uint8Array {
  writeStart(head, writer)
  writeFields(head, writer)
  const { framing } = head
  if (framing.kind === 'length') {
    writer.put(words.contentLength).text(String(framing.bytes)).endLine()
  }
  if (framing.kind === 'chunked' && client.knowsChunks) writer.put(words.chunked)
  if (head.isUpgrade) writer.put(words.upgrade)
  else writer.put(client.staysOpen ? client.keepAlive : words.close)
  return writer.end()
}

/** A 1xx other than 101. */
export function rewriteInterim(head: ResponseHead, writer: HeadWriter): Uint8Array {
  writeStart(head, writer)
  writeFields(head, writer)
  return writer.end()
}

function writeStart(head: ResponseHead, writer: HeadWriter): void {
  writer.begin().put(words.version).text(String(head.status))
  if (head.reasonTo > head.reasonFrom) {
    writer.copy(head.fields.bytes, head.reasonFrom, head.reasonTo)
  } else writer.byte(space)
  writer.endLine()
}

function writeFields(head: ResponseHead, writer: HeadWriter): void {
  const { fields } = head
  for (let index = 0; index < fields.fieldCount; index++) {
    if (passes(head, index)) writer.field(fields, index)
  }
}

function passes(head: ResponseHead, index: number): boolean {
  switch (head.fields.code(index)) {
    case field.connection:
    case field.transferEncoding:
    case field.upgrade:
    case field.trailer:
    case field.keepAlive:
    case field.proxyConnection:
    case field.proxyAuthenticate:
    case field.proxyAuthenticationInfo:
    case field.te:
      return false
    case field.contentLength:
      // Of a body that is not sent: with HEAD and 304 it is what a GET would have had.
      return head.framing.kind === 'none' && head.status >= 200 && head.status !== 204
    default:
      return !head.connection.names(head.fields, index)
  }
}
