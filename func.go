package parley

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/parley-go/parley/wire"
)

// Func makes a [Handler] of an ordinary function:
//
//	func([context.Context,] [*parley.Conn,] arguments…) ([result,] [error])
//
// The arguments are read by position and must be as many as the caller sent.
// An argument that is an iter.Seq2[T, error] is a stream that the call brings; it
// does not count among the others. A result that is an iter.Seq[T] or an
// iter.Seq2[T, error] answers with a stream. Func panics, naming the function, when the signature is another.
func Func(fn any) Handler {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("parley: Func of %T, which is not a function", fn))
	}
	f := &function{fn: v}
	t := v.Type()
	if t.IsVariadic() {
		panic(fmt.Sprintf("parley: Func of %v: variadic arguments have no place on the wire", t))
	}
	f.takeArguments(t)
	f.takeResults(t)
	return f
}

var (
	contextType = reflect.TypeFor[context.Context]()
	connType    = reflect.TypeFor[*Conn]()
	errorType   = reflect.TypeFor[error]()
)

type function struct {
	fn       reflect.Value
	ctx      bool // takes a context first
	conn     bool // then a *Conn
	args     []reflect.Type
	uploads  int  // of args
	result   bool // returns a value
	err      bool // returns an error last
	iterator bool // the value is an iterator
}

func (f *function) takeArguments(t reflect.Type) {
	i := 0
	if i < t.NumIn() && t.In(i) == contextType {
		f.ctx = true
		i++
	}
	if i < t.NumIn() && t.In(i) == connType {
		f.conn = true
		i++
	}
	for ; i < t.NumIn(); i++ {
		if t.In(i) == contextType || t.In(i) == connType {
			panic(fmt.Sprintf("parley: Func of %v: context and *Conn come first, in this order", t))
		}
		if _, ok := isUpload(t.In(i)); ok {
			f.uploads++
		}
		f.args = append(f.args, t.In(i))
	}
}

func (f *function) takeResults(t reflect.Type) {
	n := t.NumOut()
	if n > 0 && t.Out(n-1) == errorType {
		f.err = true
		n--
	}
	if n > 1 {
		panic(fmt.Sprintf("parley: Func of %v: at most one result and an error", t))
	}
	if n == 0 {
		return
	}
	f.result = true
	out := t.Out(0)
	f.iterator = out.Kind() == reflect.Func && (out.CanSeq() || out.CanSeq2() && out.In(0).In(1) == errorType)
	if out.Kind() == reflect.Func && !f.iterator {
		panic(fmt.Sprintf("parley: Func of %v: %v is neither an iter.Seq[T] nor an iter.Seq2[T, error]", t, out))
	}
}

func (f *function) answers() answers {
	if f.iterator {
		return withStream
	}
	return withResult
}

func (f *function) brings() int { return f.uploads }

func (f *function) Handle(ctx context.Context, call *Call) error {
	in, err := f.arguments(ctx, call)
	if err != nil {
		return err
	}
	out := f.fn.Call(in)
	if f.err {
		if err, _ := out[len(out)-1].Interface().(error); err != nil {
			return err
		}
	}
	if f.iterator {
		return drain(out[0], call)
	}
	if f.result {
		return call.reply(out[0].Interface())
	}
	return nil
}

func (f *function) arguments(ctx context.Context, call *Call) ([]reflect.Value, error) {
	if want := len(f.args) - f.uploads; call.Len() != want {
		return nil, argumentCount(call.Len(), want)
	}
	in := make([]reflect.Value, 0, len(f.args)+2)
	if f.ctx {
		in = append(in, reflect.ValueOf(ctx))
	}
	if f.conn {
		in = append(in, reflect.ValueOf(call.Conn()))
	}
	value, stream := 0, 0
	for _, t := range f.args {
		if _, ok := isUpload(t); ok {
			in = append(in, uploadValue(call, stream, t))
			stream++
			continue
		}
		p := reflect.New(t)
		if err := call.scan(value, p.Interface()); err != nil {
			return nil, err
		}
		in = append(in, p.Elem())
		value++
	}
	return in, nil
}

// drain sends what the iterator seq yields.
func drain(seq reflect.Value, call *Call) error {
	if seq.IsNil() {
		return nil
	}
	if seq.Type().CanSeq() {
		for v := range seq.Seq() {
			if err := call.Send(v.Interface()); err != nil {
				return err
			}
		}
		return nil
	}
	for v, e := range seq.Seq2() {
		if err, _ := e.Interface().(error); err != nil {
			return err
		}
		if err := call.Send(v.Interface()); err != nil {
			return err
		}
	}
	return nil
}

// Positional is embedded in a struct that travels as several bare arguments,
// one for each further field in order, as Socket.IO and SignalR clients are
// used to: struct{ parley.Positional; Room, Text string } is ("lobby", "hi").
type Positional struct{}

func (Positional) positional() {}

type positional interface{ positional() }

// spread turns a contract's value into arguments: none for struct{}, several
// for a Positional, else one.
func spread(v any) []any {
	if _, none := v.(struct{}); none {
		return nil
	}
	rv := reflect.ValueOf(v)
	if _, ok := v.(positional); !ok || rv.Kind() != reflect.Struct { // a pointer to one is read as one argument
		return []any{v}
	}
	var args []any
	for _, i := range positions(rv.Type()) {
		args = append(args, rv.Field(i).Interface())
	}
	return args
}

// gather is the reverse of spread: it reads the arguments of a call into a
// contract's variable.
func gather(call *Call, into any) error {
	if _, none := into.(*struct{}); none {
		return call.Scan()
	}
	if _, ok := into.(positional); !ok {
		return call.Scan(into)
	}
	rv := reflect.ValueOf(into).Elem()
	var fields []any
	for _, i := range positions(rv.Type()) {
		fields = append(fields, rv.Field(i).Addr().Interface())
	}
	return call.Scan(fields...)
}

// positions lists the fields of a Positional struct that travel.
func positions(t reflect.Type) []int {
	var at []int
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && f.Type != reflect.TypeFor[Positional]() {
			at = append(at, i)
		}
	}
	return at
}

func argumentCount(got, want int) error {
	return hubErrorf(wire.CodeArguments, "call provides %d argument(s), handler expects %d", got, want)
}

func argumentType(i int, err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := ""
		if wrong.Field != "" {
			field = ", field " + wrong.Field
		}
		return hubErrorf(wire.CodeArguments, "argument %d%s: cannot read %s as %v", i+1, field, wrong.Value, wrong.Type)
	}
	return hubErrorf(wire.CodeArguments, "argument %d cannot be read", i+1)
}

func errStreaming(name string) error {
	return hubErrorf(wire.CodeStreaming, "%q answers with a stream; call it as one", name)
}

func errNotStream(name string) error {
	return hubErrorf(wire.CodeNotStream, "%q does not answer with a stream; call it plainly", name)
}
