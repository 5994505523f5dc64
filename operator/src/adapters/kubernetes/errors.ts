/** What the API server answered instead of doing what it was asked: its Status object, as an Error. */
export class ApiError extends Error {
  readonly status: number
  /** The server's word for it, such as `AlreadyExists`, `Conflict`, `NotFound`, `Expired`, `Invalid`. */
  readonly reason: string
  /** When the server asks to be left alone for a while. */
  readonly retryAfterSeconds?: number

  constructor(
    what: string,
    answer: { status: number; reason: string; message: string; retryAfterSeconds?: number | undefined },
  ) {
    super(`${what}: ${answer.message} (${answer.status} ${answer.reason})`)
    this.name = 'ApiError'
    this.status = answer.status
    this.reason = answer.reason
    if (answer.retryAfterSeconds !== undefined) this.retryAfterSeconds = answer.retryAfterSeconds
  }
}

/** Somebody else wrote first, or a precondition does not hold. */
export function isConflict(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason !== 'AlreadyExists'
}

export function isAlreadyExists(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason === 'AlreadyExists'
}

export function isNotFound(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 404
}

/** The resourceVersion or continue token is too old: list again. */
export function isGone(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 410
}

/** The object does not fit its schema or rules; sending it again cannot help. */
export function isInvalid(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 422 || error.status === 400)
}

/** More than the server takes in one piece. */
export function isTooLarge(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 413
}

/** The server has too much to do, or has only just started. */
export function isBusy(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 429
}

export function isForbidden(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 403
}

/** No role lets us do this. Other things are forbidden too: by an admission plugin, by a quota. */
export function lacksRights(error: unknown): error is ApiError {
  return isForbidden(error) && / cannot \w+ resource "/.test(error.message)
}

/** There are as many objects of this kind in the namespace as its ResourceQuota allows. */
export function isOverQuota(error: unknown): error is ApiError {
  return isForbidden(error) && error.message.includes('exceeded quota: ')
}

/** An ApiError from a Status object, or from whatever else came in its place (proxies answer in HTML). */
export function apiError(what: string, answer: { status: number; body: string; retryAfter?: unknown }): ApiError {
  const status = parseStatus(answer.body)
  const seconds = Number(answer.retryAfter ?? status.details?.retryAfterSeconds)
  return new ApiError(what, {
    status: answer.status,
    reason: status.reason ?? 'Unknown',
    message: status.message ?? (answer.body.trim().slice(0, 200) || 'no message'),
    retryAfterSeconds: Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
  })
}

interface Status {
  readonly reason?: string
  readonly message?: string
  readonly details?: { readonly retryAfterSeconds?: number }
}

function parseStatus(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {} // Not a Status object: the caller shows the text itself.
  }
}
