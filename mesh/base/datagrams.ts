/** Unreliable packets between members; the implementation seals them (AES-256-GCM). */
export interface Datagrams {
  /** Fire and forget; `to` is `host:port`. */
  send(to: string, packet: Uint8Array): void
  /** Called for every packet that opened with a key we hold. One listener. */
  onPacket(listener: (from: string, packet: Uint8Array) => void): void
}
