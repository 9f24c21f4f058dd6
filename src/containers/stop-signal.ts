import { constants } from 'node:os'

/** What `STOPSIGNAL` may say (`SIGQUIT`, `quit`, `3`) as a signal's number; SIGTERM when unknown. */
export function stopSignalNumber(text: string | null): number {
  const signals: Readonly<Record<string, number>> = constants.signals
  const word = (text ?? 'SIGTERM').toUpperCase()
  if (/^\d+$/.test(word)) {
    const number = Number(word)
    return Object.values(signals).includes(number) ? number : constants.signals.SIGTERM
  }
  const name = word.startsWith('SIG') ? word : `SIG${word}`
  return signals[name] ?? constants.signals.SIGTERM
}

/** An exit code as Docker tells it: 128 + the signal that ended it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code
  return 128 + (signal === null ? 0 : constants.signals[signal])
}
