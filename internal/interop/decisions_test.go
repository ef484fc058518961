package interop_test

import "slices"

// decision is a reason to refuse vectors that are valid.
type decision struct {
	why  string
	algs []string // by the algorithm of the vector, or
	ids  []string // by its name, such as "json_web_signature 372"
	says string   // in the error
}

func (d decision) covers(v vector) bool {
	return slices.Contains(d.ids, v.name) || slices.Contains(d.algs, v.alg())
}

// decisions are all of them. The first that covers a vector counts.
var decisions = []decision{
	{
		why: "The header or payload has a character that is not base64url, which the vectors want " +
			"ignored and RFC 7515, section 2, with RFC 4648, section 3.3, wants refused. Ignored, one " +
			"token would have many spellings and fingerprints.",
		ids:  []string{"json_web_signature 372", "json_web_signature 373"},
		says: "base64url",
	},
	{
		why: "A provider's keys are public. With a symmetric algorithm, whoever can verify a token " +
			"could have made it, and a public key could be passed off as a secret.",
		algs: []string{"HS256", "HS384", "HS512"},
		says: "algorithm",
	},
	{
		why: "Databricks takes RS256 and ES256 only, and so do we: a token by another algorithm could " +
			"not be exchanged anyway, and what is not there cannot be attacked. PSS's salt length is " +
			"no question then.",
		algs: []string{"RS384", "RS512", "PS256", "PS384", "PS512", "ES512"},
		says: "algorithm",
	},
	{
		why:  "It is encrypted (RFC 7516). A signature is what says who made a token.",
		ids:  []string{"json_web_crypto 50", "json_web_crypto 67"},
		says: "encrypted",
	},
}

// causes says for invalid vectors that are about keys what must be said against
// the key. Without it, a vector could be refused for another reason, such as its
// algorithm, and would prove nothing.
var causes = map[string]string{
	"json_web_signature 332": "PS512",
	"json_web_signature 353": `use is "enc"`,
	"json_web_signature 354": `use is "enc"`,
	"json_web_signature 355": "key_ops",
	"json_web_signature 356": "key_ops",
	"json_web_key 6":         "RSA1_5",
	"json_web_key 7":         "ROCA",
	"json_web_key 8":         "1024 bits",
	"json_web_key 9":         "exponent",
	"json_web_key 19":        "ES521",
	"json_web_key 20":        "ES224",
	"json_web_key 21":        `use is "enc"`,
	"json_web_key 22":        "not a valid key",
	"json_web_key 23":        "P-384",
	"json_web_key 24":        "RS256",
	"json_web_crypto 46":     "ROCA",
}

// lost are vectors about wrong padding that have lost theirs on the way: they are
// vector 357 of json_web_signature to the letter, and that one is valid.
var lost = []string{"json_web_signature 367", "json_web_signature 370"}
