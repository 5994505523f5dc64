/** What was asked for cannot be meant: said as it is, and nothing was done. Exit code 2. */
export class WrongUse extends Error {}

/** What was asked about does not exist. Exit code 3. */
export class NotThere extends Error {}
