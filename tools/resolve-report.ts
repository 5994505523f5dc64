/** Runs something that takes long, and says every 15 seconds that it still goes on. */
export async function whileReporting<T>(
  what: string,
  report: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const start = performance.now()
  const timer = setInterval(() => report(`${what}: ${Math.round((performance.now() - start) / 1000)} s`), 15_000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}
