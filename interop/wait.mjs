// Waiting, always for something that happens, never for time to pass.

const deadline = 45_000 // of a machine that has much else to do

/** within resolves as promise does, or fails after ms saying what did not come. */
export function within(what, promise, ms = deadline) {
  const late = Promise.withResolvers?.() ?? resolvers()
  const timer = setTimeout(() => late.reject(new Error(`no ${what} within ${ms} ms`)), ms)
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer))
}

/** resolvers is Promise.withResolvers, which Node 20 does not have. */
export function resolvers() {
  const r = {}
  r.promise = new Promise((resolve, reject) => Object.assign(r, { resolve, reject }))
  return r
}

/** once resolves with the arguments of an emitter's next event of that name. */
export function once(emitter, name, ms = deadline) {
  return within(`event ${name}`, new Promise(resolve => emitter.once(name, (...args) => resolve(args))), ms)
}

/** Inbox keeps what comes and lets a test wait for what is still to come. */
export class Inbox {
  items = []
  #waiters = new Set() // each is called with what comes

  put(item) {
    this.items.push(item)
    for (const take of this.#waiters) take(item)
  }

  /** has resolves with the first item that fits, past or future. */
  async has(what, fits, ms = deadline) {
    const [first] = await this.#collect(what, 1, fits, ms)
    return first
  }

  /** counts resolves with the items that fit once there are n of them. */
  counts(n, fits = () => true, ms = deadline) {
    return this.#collect(`${n} messages`, n, fits, ms, found => `; there are ${found.length}`)
  }

  /** #collect looks at each item once: there may be many thousands. */
  #collect(what, n, fits, ms, but = () => '') {
    const found = this.items.filter(item => fits(item))
    if (found.length >= n) return Promise.resolve(found)
    const r = resolvers()
    const take = item => {
      if (!fits(item) || found.push(item) < n) return
      this.#waiters.delete(take)
      r.resolve(found)
    }
    this.#waiters.add(take)
    return within(what, r.promise, ms)
      .catch(err => { throw new Error(err.message + but(found)) })
      .finally(() => this.#waiters.delete(take))
  }
}
