import { X509Certificate } from 'node:crypto'

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** The certificates in a text, one text each, in their order. */
export const splitCertificates = (text: string): string[] =>
  (text.match(block) ?? []).map((each) => `${each}\n`)

/** Null when one of them cannot be read. */
export function readChain(text: string): readonly X509Certificate[] | null {
  try {
    return splitCertificates(text).map((each) => new X509Certificate(each))
  } catch {
    return null
  }
}

export function certificatePem(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
