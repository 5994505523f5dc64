/** How many cases a property is tried on; `npm run bench -- properties` tries many more. */
export const cases = Number(process.env['GPU_COMMONS_CASES'] ?? 800)
