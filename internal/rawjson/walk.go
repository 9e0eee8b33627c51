package rawjson

import "errors"

// Walker walks over one value that was not checked, and checks it as it goes.
// Once something is wrong it finds nothing more; Err tells.
//
//	for w.Open('{'); w.More('}'); {
//		name, value := w.Name(), w.Value()
//	}
type Walker struct {
	c     checker
	depth int  // of the brackets that are open
	fresh bool // the last bracket was just opened
	wrong bool
}

// Walk begins to walk over data, which may be nested levels deep.
func Walk(data []byte, levels int) Walker {
	return Walker{c: checker{b: data}, depth: maxDepth - levels}
}

// Open steps into an object or array.
func (w *Walker) Open(bracket byte) {
	w.depth++
	w.fresh = true
	if !w.c.take(bracket) {
		w.stop()
	}
}

// More steps to the next name or element and tells whether there is one. When
// there is none it steps out.
func (w *Walker) More(bracket byte) bool {
	fresh := w.fresh
	w.fresh = false
	switch {
	case w.c.take(bracket):
		w.depth--
		return false
	case fresh && w.c.at < len(w.c.b), w.c.take(','):
		return true
	}
	w.stop()
	return false
}

// Name reads the name of a field, without its quotes and escapes.
func (w *Walker) Name() []byte {
	if w.c.next() == '"' {
		start := w.c.at
		if w.c.text() {
			name := w.c.b[start:w.c.at]
			if w.c.take(':') {
				return unquote(name)
			}
		}
	}
	w.stop()
	return nil
}

// Value reads a value as it lies.
func (w *Walker) Value() []byte {
	w.c.next()
	start := w.c.at
	if !w.c.value(w.depth) {
		w.stop()
		return nil
	}
	return w.c.b[start:w.c.at:w.c.at]
}

// Kind is the first byte of the next value; zero for none.
func (w *Walker) Kind() byte { return w.c.next() }

func (w *Walker) stop() { w.wrong, w.c.at = true, len(w.c.b) }

// Err tells what is wrong with the data, or that there is more of it than one
// value.
func (w *Walker) Err() error {
	if !w.wrong && w.c.next() == 0 && w.c.at == len(w.c.b) {
		return nil
	}
	if w.c.deep {
		return errors.New("the message is nested too deeply")
	}
	if err := Check(w.c.b); err != nil {
		return err
	}
	return errors.New("the message is not what it should be")
}
