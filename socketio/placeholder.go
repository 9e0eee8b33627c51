package socketio

// A binary value stands as {"_placeholder":true,"num":i} in the JSON of its
// packet, for the i-th of the attachments behind it (Socket.IO protocol 5,
// "Binary event").
const (
	placeholderMark = "_placeholder"
	placeholderNum  = "num"
)

// placeholderIndex reads the num of a placeholder, which must be one of n
// attachments.
func placeholderIndex(num []byte, n int) (i int, ok bool) {
	const digits = 4
	if len(num) == 0 || len(num) > digits {
		return 0, false
	}
	for _, b := range num {
		if b < '0' || b > '9' {
			return 0, false
		}
		i = 10*i + int(b-'0')
	}
	return i, i < n
}
