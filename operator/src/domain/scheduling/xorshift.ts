/**
 * Numbers of 32 bits with their sign and without a pattern, the same each time
 * (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003).
 * @param seed not 0.
 */
export function xorshift(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}
