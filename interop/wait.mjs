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
  #waiters = new Set()

  put(item) {
    this.items.push(item)
    for (const check of this.#waiters) check()
  }

  /** has resolves with the first item that fits, past or future. */
  has(what, fits, ms = deadline) {
    return this.#until(what, () => this.items.find(fits), ms)
  }

  /** counts resolves with the items that fit once there are n of them. */
  counts(n, fits = () => true, ms = deadline) {
    const found = () => {
      const list = this.items.filter(fits)
      return list.length >= n ? list : undefined
    }
    return this.#until(`${n} messages`, found, ms, () => `; there are ${this.items.filter(fits).length}`)
  }

  #until(what, found, ms, but = () => '') {
    const r = resolvers()
    const check = () => {
      const item = found()
      if (item !== undefined) r.resolve(item)
    }
    this.#waiters.add(check)
    check()
    return within(what, r.promise, ms)
      .catch(err => { throw new Error(err.message + but()) })
      .finally(() => this.#waiters.delete(check))
  }
}
