/** What was asked for cannot be meant: said as it is, and nothing was done. */
export class WrongUse extends Error {}
