package typescript

import (
	"go/types"
	"slices"
	"strings"
)

// signature is a contract in TypeScript.
type signature struct {
	contract *contract
	params   []string // "room: string", …
	names    []string // of them
	item     string   // the values of a stream
	out      string   // the answer; empty for none
}

// signature has the types as the family of the moment sees them.
func (p *printer) signature(c *contract) signature {
	s := signature{contract: c}
	s.arguments(p, c.types[0])
	switch c.kind {
	case "Method", "Ask":
		s.out = p.typeOf(c.types[1])
	case "Stream":
		s.item = p.typeOf(c.types[1])
	case "Upload":
		s.item, s.out = p.typeOf(c.types[1]), p.typeOf(c.types[2])
	}
	return s
}

// arguments are what a value travels as: none for struct{}, several for a
// Positional, else one.
func (s *signature) arguments(p *printer, t types.Type) {
	if empty, ok := types.Unalias(t).(*types.Struct); ok && empty.NumFields() == 0 {
		return
	}
	fields, ok := positions(t)
	if !ok {
		s.add(argumentName(t), p.typeOf(t))
		return
	}
	for _, v := range fields {
		s.add(v.Name(), p.typeOf(v.Type()))
	}
}

func (s *signature) add(name, typ string) {
	name = parameter(name, s.names)
	s.names = append(s.names, name)
	s.params = append(s.params, name+": "+typ)
}

// argumentName is what a single argument is called.
func argumentName(t types.Type) string {
	if named, ok := t.(interface{ Obj() *types.TypeName }); ok && named.Obj().Pkg() != nil { // an alias is named, too
		return named.Obj().Name()
	}
	return "value"
}

// positions lists the fields of a Positional struct that travel.
func positions(t types.Type) (fields []*types.Var, ok bool) {
	s, isStruct := t.Underlying().(*types.Struct)
	if !isStruct || !isPositional(t) {
		return nil, false
	}
	for i := range s.NumFields() {
		if v := s.Field(i); v.Exported() && types.TypeString(types.Unalias(v.Type()), nil) != root+".Positional" {
			fields = append(fields, v)
		}
	}
	return fields, true
}

// isPositional looks for the method that a struct has of Positional.
func isPositional(t types.Type) bool {
	set := types.NewMethodSet(t)
	for i := range set.Len() {
		m := set.At(i).Obj()
		if m.Name() == "positional" && m.Pkg() != nil && m.Pkg().Path() == root {
			return true
		}
	}
	return false
}

// with is the parameters and one more.
func (s *signature) with(name, typ string) string {
	name = parameter(name, s.names)
	return strings.Join(append(s.params[:len(s.params):len(s.params)], name+": "+typ), ", ")
}

// list is the parameters.
func (s *signature) list() string { return strings.Join(s.params, ", ") }

// has tells whether there are contracts of a kind.
func (p *printer) has(kind string) bool {
	return slices.ContainsFunc(p.pkg.contracts, func(c contract) bool { return c.kind == kind })
}

// all are the signatures of the contracts of some kinds.
func (p *printer) all(kinds ...string) []signature {
	var found []signature
	for i := range p.pkg.contracts {
		c := &p.pkg.contracts[i]
		if slices.Contains(kinds, c.kind) {
			found = append(found, p.signature(c))
		}
	}
	return found
}

// table is an interface with a function for each contract.
func (p *printer) table(doc, name string, signatures []signature, function func(*signature) string) string {
	var b strings.Builder
	b.WriteString(comment(doc, "") + p.export() + "interface " + name + " {\n")
	for i := range signatures {
		s := &signatures[i]
		key := s.contract.name
		if !isIdentifier(key) {
			key = quote(key)
		}
		b.WriteString(comment(s.contract.doc, "  ") + "  " + key + ": " + function(s) + ";\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// namespace is what the pages of a family need of their own.
func (p *printer) namespace(family int) string {
	var parts []string
	for _, d := range p.order {
		if d.differs {
			parts = append(parts, p.declaration(d, family))
		}
	}
	if p.families[family].name == "SignalR" {
		parts = append(parts, p.signalR()...)
	} else {
		parts = append(parts, p.socketIO()...)
	}
	return p.export() + "namespace " + p.families[family].name + " {\n" + indent(strings.Join(parts, "\n")) + "}\n"
}

// signalR is the contract of a HubConnection.
func (p *printer) signalR() []string {
	arrow := func(out string) func(s *signature) string {
		return func(s *signature) string { return "(" + s.list() + ") => " + strings.ReplaceAll(out, "…", s.out) }
	}
	methods := p.table("What pages call by invoke, or by send, which does not wait.", "Methods", p.all("Command", "Method", "Upload"), func(s *signature) string {
		switch s.contract.kind {
		case "Command":
			return "(" + s.list() + ") => void"
		case "Upload":
			return "(" + s.with("items", p.foreign("IStreamResult")+"<"+s.item+">") + ") => " + s.out
		}
		return "(" + s.list() + ") => " + s.out
	})
	streams := p.table("What pages call by stream.", "Streams", p.all("Stream"), func(s *signature) string { return "(" + s.list() + ") => " + s.item })
	events := p.table("What pages listen to by on.", "Events", p.all("Event"), arrow("void"))
	questions := p.table("What pages answer, by on: what the function returns is the answer.", "Questions", p.all("Ask"), arrow("… | Promise<…>"))
	if !p.streams() {
		return []string{methods, events, questions, p.connection()}
	}
	return []string{methods, streams, events, questions, p.connection()}
}

func (p *printer) connection() string {
	return `/** A HubConnection that knows the contract: what HubConnectionBuilder builds is one. */
` + p.export() + `interface Connection extends Omit<` + p.foreign("HubConnection") + `, "invoke" | "send" | "stream" | "on" | "off"> {
  invoke<Name extends keyof Methods>(methodName: Name, ...args: Parameters<Methods[Name]>): Promise<ReturnType<Methods[Name]>>;
  send<Name extends keyof Methods>(methodName: Name, ...args: Parameters<Methods[Name]>): Promise<void>;
` + p.streamMethod() + `  on<Name extends keyof (Events & Questions)>(methodName: Name, newMethod: (Events & Questions)[Name]): void;
  off<Name extends keyof (Events & Questions)>(methodName: Name, method?: (Events & Questions)[Name]): void;
}
`
}

func (p *printer) streamMethod() string {
	if !p.streams() {
		return ""
	}
	return "  stream<Name extends keyof Streams>(methodName: Name, ...args: Parameters<Streams[Name]>): " +
		p.foreign("IStreamResult") + "<ReturnType<Streams[Name]>>;\n"
}

// heard is what a Socket listens to: events, questions, and the failures of
// what was emitted without an ack.
func (p *printer) heard() []signature {
	all := p.all("Event", "Ask")
	named := func(s signature) bool { return s.contract.name == "error" }
	if !p.has("Command") || slices.ContainsFunc(all, named) {
		return all
	}
	return append(all, signature{contract: &contract{name: "error", doc: "A command that was emitted without an ack has failed."}})
}

// socketIO is the contract of a Socket.
func (p *printer) socketIO() []string {
	answer := func(s *signature) string {
		return "(" + s.with("ack", "(answer: "+s.out+" | Failure) => void") + ") => void"
	}
	done := func(s *signature) string {
		return "(" + s.with("ack", "(failure?: Failure) => void") + ") => void"
	}
	listen := p.table("What pages listen to.", "ListenEvents", p.heard(), func(s *signature) string {
		switch s.contract.kind {
		case "Ask":
			return answer(s)
		case "":
			return `(failure: Failure["error"] & { event?: string }) => void`
		}
		return "(" + s.list() + ") => void"
	})
	emit := p.table("What pages emit, and wait for the ack.", "EmitEvents", p.all("Command", "Method"), func(s *signature) string {
		if s.contract.kind == "Command" {
			return done(s)
		}
		return answer(s)
	})
	if !p.has("Command") {
		return []string{listen, emit, p.socket("")}
	}
	commands := p.table("What pages may emit without an ack: then nobody waits. What fails is the event error.", "Commands", p.all("Command"), func(s *signature) string {
		return "(" + s.list() + ") => void"
	})
	return []string{listen, emit, commands, p.socket("  emit<Name extends keyof Commands>(ev: Name, ...args: Parameters<Commands[Name]>): Socket;\n")}
}

// socket is the client's own type, and before it what it forgets: what acks bring
// within a time. Clients before 4.6 do not know emitWithAck.
func (p *printer) socket(emit string) string {
	base := p.foreign("ClientSocket") + "<ListenEvents, EmitEvents>"
	text := `type Timed = ` + base + ` extends { emitWithAck: infer Ask; timeout: (timeout: number) => infer Next }
  ? { timeout(timeout: number): { emitWithAck: Ask } & Omit<Next, "emitWithAck"> }
  : unknown;

/** A Socket that knows the contract: what io returns is one. */
` + p.export() + `type Socket = Timed & `
	if emit != "" {
		text += "{\n" + emit + "} & "
	}
	return text + base + ";\n"
}
