package classic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// keyring seals and opens what a client keeps for the server: who its connection
// is, and which groups that is in. Whatever process has the key can read it. A
// token is sealed with AES-256-GCM, under a key of its own, made of the ring's and
// of the random bytes that the token begins with: so there may be any number.
// Values are safe for concurrent use.
type keyring struct {
	key      []byte
	lifetime time.Duration // of a connection's token; 0: for ever
}

// newKeyring makes a ring. Without a key it makes one up, and its tokens are worth
// nothing to another process.
func newKeyring(key []byte, lifetime time.Duration) *keyring {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		rand.Read(key) // never fails: crypto/rand
	}
	return &keyring{key: key, lifetime: lifetime}
}

// The kinds of token. No token of one kind is one of the other.
const (
	forConnection = "parley classic connection 1"
	forGroups     = "parley classic groups 1"
)

// What a token may be long, as text, and what the random bytes are that it begins
// with.
const (
	maxToken       = 8 << 10
	maxGroupsToken = 256 << 10
	saltSize       = 16
)

// connection seals the ID of a connection and who may use it, with the time.
func (k *keyring) connection(id, user string) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()))
	return k.seal(forConnection, "", appendText(appendText(plain, id), user))
}

// open reads a connection's token, which ends at a time unless that is zero. It is not
// ok when this ring has not sealed it, or too long ago.
func (k *keyring) open(token string) (id, user string, until time.Time, ok bool) {
	if len(token) > maxToken {
		return "", "", until, false
	}
	plain, ok := k.unseal(forConnection, "", token)
	if !ok || len(plain) < 8 {
		return "", "", until, false
	}
	if k.lifetime > 0 {
		until = time.Unix(int64(binary.BigEndian.Uint64(plain)), 0).Add(k.lifetime)
		if !time.Now().Before(until) {
			return "", "", until, false
		}
	}
	list, ok := texts(plain[8:])
	if !ok || len(list) != 2 || list[0] == "" {
		return "", "", until, false
	}
	return list[0], list[1], until, true
}

// groups seals the groups of a connection, each as "Hub.group".
func (k *keyring) groups(id string, groups []string) string {
	var plain []byte
	for _, g := range groups {
		plain = appendText(plain, g)
	}
	return k.seal(forGroups, id, plain)
}

// openGroups reads the groups of that connection; nil when the token is not of
// this ring, or of another connection.
func (k *keyring) openGroups(token, id string) []string {
	if len(token) > maxGroupsToken {
		return nil
	}
	plain, ok := k.unseal(forGroups, id, token)
	if !ok {
		return nil
	}
	groups, _ := texts(plain)
	return groups
}

// seal makes a token that opens only for the same kind and owner.
func (k *keyring) seal(kind, owner string, plain []byte) string {
	token := make([]byte, saltSize, saltSize+len(plain)+sha256.Size)
	rand.Read(token) // never fails: crypto/rand
	aead := k.aead(kind, token)
	token = aead.Seal(token, make([]byte, aead.NonceSize()), plain, []byte(owner))
	return base64.RawURLEncoding.EncodeToString(token)
}

func (k *keyring) unseal(kind, owner, token string) (plain []byte, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(sealed) < saltSize || strings.ContainsAny(token, "\r\n") { // which base64 skips
		return nil, false
	}
	aead := k.aead(kind, sealed[:saltSize])
	plain, err = aead.Open(nil, make([]byte, aead.NonceSize()), sealed[saltSize:], []byte(owner))
	return plain, err == nil
}

// aead is what seals the one token with that salt.
func (k *keyring) aead(kind string, salt []byte) cipher.AEAD {
	h := hmac.New(sha256.New, k.key)
	h.Write([]byte(kind))
	h.Write(salt)
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		panic("classic: " + err.Error()) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("classic: " + err.Error()) // AES has the right block size
	}
	return aead
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// texts is the reverse of appendText, to the end of b.
func texts(b []byte) (list []string, ok bool) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, false
		}
		list = append(list, string(b[size:size+int(n)]))
		b = b[size+int(n):]
	}
	return list, true
}
