/** Requests under way at once: those of a generator, and those of the tenants in a burst. */
const atOnce = 32

/** So many calls, a fixed number of them at once. */
export async function pooled(count: number, act: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await act(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
