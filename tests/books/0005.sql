BEGIN TRANSACTION;
CREATE TABLE activity (
	run_day INTEGER NOT NULL, 
	affiliate INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	lines INTEGER NOT NULL, 
	earliest_day INTEGER NOT NULL, 
	CONSTRAINT pk_activity PRIMARY KEY (run_day, affiliate, currency)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "activity" VALUES(20484,1,1,1,20465);
INSERT INTO "activity" VALUES(20484,1,2,5,20455);
INSERT INTO "activity" VALUES(20484,2,2,3,20458);
INSERT INTO "activity" VALUES(20484,3,1,1,20465);
INSERT INTO "activity" VALUES(20484,3,2,4,20455);
INSERT INTO "activity" VALUES(20484,4,2,1,20466);
INSERT INTO "activity" VALUES(20484,5,2,2,20466);
INSERT INTO "activity" VALUES(20484,6,2,1,20473);
INSERT INTO "activity" VALUES(20484,9,2,1,20467);
INSERT INTO "activity" VALUES(20512,1,1,1,20465);
INSERT INTO "activity" VALUES(20512,1,2,2,20456);
INSERT INTO "activity" VALUES(20512,2,2,2,20494);
INSERT INTO "activity" VALUES(20512,3,1,1,20465);
INSERT INTO "activity" VALUES(20512,3,2,2,20456);
INSERT INTO "activity" VALUES(20543,2,2,1,20541);
CREATE TABLE affiliate (
	id INTEGER NOT NULL, 
	affiliate_id TEXT NOT NULL, 
	intake INTEGER NOT NULL, 
	CONSTRAINT pk_affiliate PRIMARY KEY (id), 
	CONSTRAINT uq_affiliate_affiliate_id UNIQUE (affiliate_id)
)
 STRICT

;
INSERT INTO "affiliate" VALUES(1,'=ben',2);
INSERT INTO "affiliate" VALUES(2,'ada',2);
INSERT INTO "affiliate" VALUES(3,'cho',2);
INSERT INTO "affiliate" VALUES(4,'fay',2);
INSERT INTO "affiliate" VALUES(5,'jun',2);
INSERT INTO "affiliate" VALUES(6,'dee',3);
INSERT INTO "affiliate" VALUES(7,'eve',3);
INSERT INTO "affiliate" VALUES(8,'ivy',3);
INSERT INTO "affiliate" VALUES(9,'kim',3);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE attempt (
	id INTEGER NOT NULL, 
	day INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	who TEXT NOT NULL, 
	CONSTRAINT pk_attempt PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "attempt" VALUES(1,20484,'2026-11-22T06:01:45Z','root@vm');
INSERT INTO "attempt" VALUES(2,20512,'2026-11-22T06:02:26Z','root@vm');
INSERT INTO "attempt" VALUES(3,20543,'2026-11-22T06:02:49Z','root@vm');
CREATE TABLE attempt_end (
	attempt INTEGER NOT NULL, 
	ended_at TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	message TEXT NOT NULL, 
	CONSTRAINT pk_attempt_end PRIMARY KEY (attempt), 
	CONSTRAINT fk_attempt_end_attempt FOREIGN KEY(attempt) REFERENCES attempt (id)
)
 STRICT

;
INSERT INTO "attempt_end" VALUES(1,'2026-11-22T06:01:45Z','completed','');
INSERT INTO "attempt_end" VALUES(2,'2026-11-22T06:02:28Z','completed','');
INSERT INTO "attempt_end" VALUES(3,'2026-11-22T06:02:50Z','completed','');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	who TEXT NOT NULL, 
	host TEXT NOT NULL, 
	process INTEGER NOT NULL, 
	command TEXT NOT NULL, 
	what TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	details TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "audit" VALUES(1,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','plan','1','{"plan":"old books","rows":{"intake":{"first":1,"last":1,"rows":1,"sha256":"5ce1ed71fae7afebcba558c0e7c252aa2034717916e108ea187f3baa583001d4"},"plan_version":{"first":1,"last":1,"rows":1,"sha256":"a8bd67b3b2eaecfd361c3e1d08779135ae4d7097eef61dbe1cbd6a6da55e96de"}},"sha256":"c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f"}','0000000000000000000000000000000000000000000000000000000000000000','cf99b179078b4f876f13dbb9835ca92f1f885a6c3321f32d5b39e48c6d126129');
INSERT INTO "audit" VALUES(2,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','import affiliates','2','{"accepted":5,"duplicate":0,"files":[{"bytes":231,"header":"affiliate_id,name,email,country,locale,status","name":"affiliates.csv","sha256":"95e5eaed7f55e5a95483fc11831be2900031dcbbc46be3ff586243b3451b6034"}],"rejected":1,"rows":{"affiliate":{"first":1,"last":5,"rows":5,"sha256":"e82238d9d456f3b4b6688003cfe6bb902818dd84c9db0423afda31125b585abe"},"intake":{"first":2,"last":2,"rows":1,"sha256":"ba4f8ff7a2b8284062c7a66f30941b745507b242e5e96f62877147f23f778d3c"},"profile":{"first":2,"last":2,"rows":5,"sha256":"a6824103c5739510f9dffefa51d4e0fe191e469d7fea2f07fbe30cbe23b523fb"},"refusal":{"first":1,"last":1,"rows":1,"sha256":"d57c8244b6ad94668141aaec1b66a464ced492dc652104e92259191e5109049c"}}}','cf99b179078b4f876f13dbb9835ca92f1f885a6c3321f32d5b39e48c6d126129','be7946953ff00ffc1c172baca56257bd167362e636cf4ca012fc296ab36a1252');
INSERT INTO "audit" VALUES(3,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','import referrals','3','{"accepted":8,"duplicate":0,"files":[{"bytes":188,"header":"affiliate_id,referrer_id,since","name":"referrals.csv","sha256":"5b07478668588a5946481ffbfe1a138bd13afe82f678d449b6143fb7f31d5d7f"}],"rejected":2,"rows":{"affiliate":{"first":6,"last":9,"rows":4,"sha256":"3dec2ba917718c46b211466c4111cde0dba2414de6f1754aa4618dec99ecb0a9"},"intake":{"first":3,"last":3,"rows":1,"sha256":"7171ae7e38eedbc06f0df02a8cb5b5653305be5898e891cbf708a9932fd0f99d"},"referral":{"first":3,"last":3,"rows":8,"sha256":"d43379427681f925e2705a289b1a61d8b1a5f944e90ec210a92850e56b012401"},"refusal":{"first":2,"last":3,"rows":2,"sha256":"4b8c3fc9f0706c9e441ff83853d29dbd79e759666ef12c8b4f44eacc4a6d5efc"}}}','be7946953ff00ffc1c172baca56257bd167362e636cf4ca012fc296ab36a1252','f50b7500141f17e497fd19999f904fdd485e9c0df368643ba8a0d3d0705fc7ec');
INSERT INTO "audit" VALUES(4,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','import earnings','4','{"accepted":12,"duplicate":0,"files":[{"bytes":622,"header":"event_id,affiliate_id,occurred_at,amount,currency,reverses,note","name":"earnings.csv","sha256":"26f94d190cf3c41b873d3724b8f7266c78a4d212a79b90aac15a05a3abbb7b89"}],"rejected":1,"rows":{"currency":{"first":1,"last":2,"rows":2,"sha256":"79112bed81ecbbe877a0f84099bd8d7a1debc7c57b19932dc3f5a22ffc9bc4ea"},"event":{"first":1,"last":12,"rows":12,"sha256":"f678c7d38a922d6656759e12796553f5119b6c8e828af2e42045c1ec9c35bd1c"},"intake":{"first":4,"last":4,"rows":1,"sha256":"62cfb37f1678d3cb07e1e988be3351137d9be3ebe52ebe0e20d31e3ab1959b59"},"refusal":{"first":4,"last":4,"rows":1,"sha256":"8f6bc283d25f9d5fb06f40f1dcb7b757b4c4b9e31c73578f8bddddf37ebb880e"}}}','f50b7500141f17e497fd19999f904fdd485e9c0df368643ba8a0d3d0705fc7ec','167ca3286ab938df02d0e4d038def68ede74b21bb7d11c335261b49e52514bf2');
INSERT INTO "audit" VALUES(5,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','settings','2026-01-31','{"settings":{"bounds":{"payout":{"USD":"100.00"}},"documents":"all","formats":["csv"],"lines.store":"database"}}','167ca3286ab938df02d0e4d038def68ede74b21bb7d11c335261b49e52514bf2','5996395863079d525cae89467c62a9a2b2dcc9b67e677b44e529fda83a635b1c');
INSERT INTO "audit" VALUES(6,'2026-11-22T06:01:45Z','root@vm','vm',20436,'commission run first --date 2026-01-31','run','2026-01-31','{"anchor":{"number":1,"previous":"0000000000000000000000000000000000000000000000000000000000000000","sha256":"89f7f329574d48c788027ecea3df51ab953481305843995bd45a8adb69d5c042"},"bounds":{"payout":{"USD":"100.00"}},"facts":{"events":{"rows":10,"sha256":"74ce5056a136c6bcdc2d9ecba1bf9cf9c7776499ed36886599a91bdff69f03a4"},"profiles":{"rows":5,"sha256":"a7f9fc2e14f03166381a00976d122f0147ea1564ef26cdc9acace647af721e94"},"referrals":{"rows":8,"sha256":"018b594a7ff7fc1ac79ecde7688ea332561d9c3ef7e34e84fded1aa4a8d06fe3"}},"figures":{"counts":{"events":10,"lines":19,"payouts":4,"rejects":4,"statements":9},"totals":{"JPY":{"adjusted":0,"available":0,"base":15001,"booked":4875,"closing":0,"commission":4875,"earned":4875,"gross":4875,"held":0,"opening":0,"paid":4875,"reversed":0},"USD":{"adjusted":-406,"available":3081,"base":156809,"booked":21352,"closing":8081,"commission":21352,"earned":22258,"gross":36552,"held":5000,"opening":0,"paid":13271,"reversed":-500}}},"homes":1,"outputs":{"documents":"all","formats":["csv"]},"plan_sha256":"c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f","rows":{"activity":{"first":20484,"last":20484,"rows":9,"sha256":"ed731be36c960deda3e1607dc95f8839e6963328960a01229d07620845b52b22"},"entry":{"first":20484,"last":20484,"rows":15,"sha256":"28e7b953aeba538053639d956e654c6df56135864927dab6c2ffe7a05d6d5bd5"},"line_home":{"first":1,"last":1,"rows":1,"sha256":"59defa231af88a49c787c3452bba93ab09512db92e497eb75c882f6dc417acea"},"payout":{"first":20484,"last":20484,"rows":4,"sha256":"91292eaecd755161a13d05382f1958b30dc7d07cf6f87346aa1baa29c440d778"},"run":{"first":20484,"last":20484,"rows":1,"sha256":"31d03e83a7541dae062809d0edce67f6cc0c652c621aa796f3c81f998ad83ab0"},"statement":{"first":20484,"last":20484,"rows":9,"sha256":"9779e2daaa54756cce9631dba8964183bd43981e723fdecd0db66320ba4e06d4"}},"run_date":"2026-01-31","settings":5,"settlement":true}','5996395863079d525cae89467c62a9a2b2dcc9b67e677b44e529fda83a635b1c','509c602d54c9b2b129f0b4e081eea63d714b83e7e2a8374bf92b8289db4f69e8');
INSERT INTO "audit" VALUES(7,'2026-11-22T06:01:55Z','root@vm','vm',20765,'commission tree move eve --to ada --since 2026-02-20 --reason ''dee asked for it''','move','5','{"affiliate_id":"eve","reason":"dee asked for it","referrer_id":"ada","rows":{"intake":{"first":5,"last":5,"rows":1,"sha256":"08e6fc916f96bfea75d6f17a8cb812351cce8db35a6031077d2b3c6fb56402f9"},"referral":{"first":5,"last":5,"rows":1,"sha256":"a53f069f82e63a4dc6aa9657dd1d9033a72d891cb7c8a6481f36fa9449f06fb5"}},"since":"2026-02-20T00:00:00Z"}','509c602d54c9b2b129f0b4e081eea63d714b83e7e2a8374bf92b8289db4f69e8','60a9db74b71f107595eec85f64ab7835f2c3932d4eea091d24582641eddb6474');
INSERT INTO "audit" VALUES(8,'2026-11-22T06:02:05Z','root@vm','vm',21084,'commission import affiliates status.csv','import affiliates','6','{"accepted":1,"duplicate":0,"files":[{"bytes":34,"header":"affiliate_id,status","name":"status.csv","sha256":"fd0992c0488242b754d77c97413ffe2362468ff58b5eb66bf359bbc5e14a2c40"}],"rejected":0,"rows":{"intake":{"first":6,"last":6,"rows":1,"sha256":"f0b414d94eefe22bf44ee1aa51a616a48ee526e3ee2a9fd5d4e40e9a094b6ebb"},"profile":{"first":6,"last":6,"rows":1,"sha256":"5bf1ea3c4076e1a2d4586484f88022783b3167ec76de021225067dd296fa090c"}}}','60a9db74b71f107595eec85f64ab7835f2c3932d4eea091d24582641eddb6474','652334ffcb1128afff4eba38449c83017300c8eb1a9ffd495395b776d9272b9f');
INSERT INTO "audit" VALUES(9,'2026-11-22T06:02:14Z','root@vm','vm',21239,'commission import earnings late.csv','import earnings','7','{"accepted":4,"duplicate":0,"files":[{"bytes":269,"header":"event_id,affiliate_id,occurred_at,amount,currency,reverses","name":"late.csv","sha256":"e3cd6cd8d14e9fe8cc41e41e98c3f37fbe7fda08a4d082ca1a6917bb02b9d6d5"}],"rejected":1,"rows":{"event":{"first":13,"last":16,"rows":4,"sha256":"4c2e1dbc9993837064c94ee0778f2fb0240e50856431f07e27f1e3f7a799cb0d"},"intake":{"first":7,"last":7,"rows":1,"sha256":"689440bad9162ef64bc28a5253b67ca19b978a8266ad01361c57c8f9547f9c1b"},"refusal":{"first":5,"last":5,"rows":1,"sha256":"337ffb775e629619d9e39e134ea03a752ab500f80fb51b0bbb63b730bad1998e"}}}','652334ffcb1128afff4eba38449c83017300c8eb1a9ffd495395b776d9272b9f','8a02395dd93547e1ebca5681573dcbccdaec684ebeb10055825a1da2ff969f5f');
INSERT INTO "audit" VALUES(10,'2026-11-22T06:02:27Z','root@vm','vm',21419,'commission run --date 2026-02-28','run','2026-02-28','{"anchor":{"number":2,"previous":"89f7f329574d48c788027ecea3df51ab953481305843995bd45a8adb69d5c042","sha256":"3475490b4bc79259979f58a0ac4f8caa644ba433d620a502c11e014eb88d07e0"},"bounds":{"payout":{"USD":"100.00"}},"facts":{"events":{"rows":5,"sha256":"6dfd520eb390780d3a3e888b12beb50c140c2af9e3cdab3310ff90a80c3c9820"},"profiles":{"rows":1,"sha256":"c743da12483d7983984cd65331ad7d3b34fc297591dabf8c2fd1a1fc4ff74c84"},"referrals":{"rows":1,"sha256":"16c99acdb06a42c87a0cc51c5f0dc596c73753023867021cee502ad3cb77b279"}},"figures":{"counts":{"events":5,"lines":8,"payouts":0,"rejects":1,"statements":7},"totals":{"JPY":{"adjusted":0,"available":-1625,"base":-5000,"booked":-1625,"closing":-1625,"commission":-1625,"earned":0,"gross":-1625,"held":0,"opening":0,"paid":0,"reversed":-1625},"USD":{"adjusted":0,"available":7358,"base":39777,"booked":877,"closing":8958,"commission":877,"earned":9127,"gross":5677,"held":1600,"opening":8081,"paid":0,"reversed":-8250}}},"homes":1,"outputs":{"documents":"all","formats":["csv"]},"plan_sha256":"c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f","rows":{"activity":{"first":20512,"last":20512,"rows":5,"sha256":"54ce311b8dd95c3790d5ecbbeefb88bf5c2e706d32f84f91b0046bce3e790c1f"},"entry":{"first":20512,"last":20512,"rows":8,"sha256":"fee8d1a3e8f55470bc7c0ee69505e91de03d8a7ef31411c22bbf82dc6dff9866"},"hold":{"first":20512,"last":20512,"rows":1,"sha256":"9d5ac07d8bca51077d3b306403e2aa3de67abe8c5d41aa76d8a6766554fb7693"},"run":{"first":20512,"last":20512,"rows":1,"sha256":"67dbfad7bdc16685dafe77e66782a28b85bbf0d5e31f654ba207f95ef9849f5f"},"statement":{"first":20512,"last":20512,"rows":7,"sha256":"937fd183edd047cc711e3975f9e89d64f168b06c102ec3e7aaee719fc9b03f44"}},"run_date":"2026-02-28","settings":5,"settlement":true}','8a02395dd93547e1ebca5681573dcbccdaec684ebeb10055825a1da2ff969f5f','f245381a7e2232483c87acfe8a849e2652e11c2f25069aa757c4aa126fe47ae9');
INSERT INTO "audit" VALUES(11,'2026-11-22T06:02:38Z','root@vm','vm',21680,'commission release --all --reason ''looked at''','release','8','{"holds":[1],"reason":"looked at","rows":{"intake":{"first":8,"last":8,"rows":1,"sha256":"9107862f726b1270b9057e3a50751f6312a6797aef48ed2fd47a37ccde52071f"},"release":{"first":8,"last":8,"rows":1,"sha256":"fa9e7106accb0face5ab090c55f3e2f7b9d60fed8af4ad3e7d0004a8ad75dd36"}}}','f245381a7e2232483c87acfe8a849e2652e11c2f25069aa757c4aa126fe47ae9','03e221a4a32838c4f932f4e7d01ecbe13f1b5bb3f3b6d93a21db51fff4611f1e');
INSERT INTO "audit" VALUES(12,'2026-11-22T06:02:50Z','root@vm','vm',21921,'commission run --date 2026-03-31','run','2026-03-31','{"anchor":{"number":3,"previous":"3475490b4bc79259979f58a0ac4f8caa644ba433d620a502c11e014eb88d07e0","sha256":"fde2e8f5025b10e1c19a76a6a65832ceb0f2dfdecc3168fab5d236df79890bde"},"bounds":{"payout":{"USD":"100.00"}},"facts":{"events":{"rows":1,"sha256":"9e48752b28212e13ee7d4b07c736ef5357d41ec45d701b49669d504f23916904"},"profiles":{"rows":0,"sha256":"df578c43aab2368b3f1561bf34557df4f327a70c4fee43cdb7c49e0c972cd353"},"referrals":{"rows":0,"sha256":"60ea133e8ea5bcc4a9d91a5f01c051ae8d0e17877131a66b46c6d624983980ee"}},"figures":{"counts":{"events":1,"lines":1,"payouts":1,"rejects":0,"statements":7},"totals":{"JPY":{"adjusted":0,"available":-1625,"base":0,"booked":0,"closing":-1625,"commission":0,"earned":0,"gross":0,"held":0,"opening":-1625,"paid":0,"reversed":0},"USD":{"adjusted":0,"available":-3749,"base":1995,"booked":399,"closing":-3350,"commission":399,"earned":399,"gross":399,"held":399,"opening":8958,"paid":12707,"reversed":0}}},"homes":1,"outputs":{"documents":"all","formats":["csv"]},"plan_sha256":"c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f","rows":{"activity":{"first":20543,"last":20543,"rows":1,"sha256":"7ce50efbfd7f6b02aec56d9d26e6647f100688590a5dec69a085d7e2095d52be"},"entry":{"first":20543,"last":20543,"rows":2,"sha256":"31a8ce24d017606c3ca154ab9723f146375049a91d32a3eed04cbf2d2829f623"},"payout":{"first":20543,"last":20543,"rows":1,"sha256":"1204efcf0113bca26708c88ccf2eaebd350d8068add9f84a6027c5bdfe122248"},"run":{"first":20543,"last":20543,"rows":1,"sha256":"cb0b5e25d3aa2480885a1418374c59ecfcc993229436a0c0f95ee4267b6cfce6"},"statement":{"first":20543,"last":20543,"rows":7,"sha256":"23306a2f3179141091fcbb1c2bb246d64c46725033c59a0d3e644f366fbb96fd"}},"run_date":"2026-03-31","settings":5,"settlement":true}','03e221a4a32838c4f932f4e7d01ecbe13f1b5bb3f3b6d93a21db51fff4611f1e','e38ea4543ddece789611cd1b51c390b58f400ad42ba10d60ac6301fa3f9e78b0');
CREATE TABLE cap_total (
	terms_day INTEGER NOT NULL, 
	level INTEGER NOT NULL, 
	cap_window INTEGER NOT NULL, 
	window_start INTEGER NOT NULL, 
	beneficiary INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	total_minor INTEGER NOT NULL, 
	CONSTRAINT pk_cap_total PRIMARY KEY (terms_day, level, cap_window, window_start, beneficiary, currency)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,1,2,3993);
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,2,2,13106);
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,3,2,3555);
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,4,2,694);
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,6,2,0);
INSERT INTO "cap_total" VALUES(20454,-1,5,20454,9,2,1280);
INSERT INTO "cap_total" VALUES(20454,1,3,20454,1,2,1771);
INSERT INTO "cap_total" VALUES(20454,1,3,20454,2,2,5000);
INSERT INTO "cap_total" VALUES(20454,1,3,20454,3,2,3555);
INSERT INTO "cap_total" VALUES(20454,1,3,20454,6,2,0);
INSERT INTO "cap_total" VALUES(20454,1,3,20454,9,2,1280);
INSERT INTO "cap_total" VALUES(20454,1,3,20485,2,2,6600);
INSERT INTO "cap_total" VALUES(20454,1,3,20513,2,2,399);
CREATE TABLE currency (
	id INTEGER NOT NULL, 
	code TEXT NOT NULL, 
	decimals INTEGER NOT NULL, 
	CONSTRAINT pk_currency PRIMARY KEY (id), 
	CONSTRAINT uq_currency_code UNIQUE (code)
)
 STRICT

;
INSERT INTO "currency" VALUES(1,'JPY',0);
INSERT INTO "currency" VALUES(2,'USD',2);
CREATE TABLE entry (
	run_day INTEGER NOT NULL, 
	affiliate INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	kind INTEGER NOT NULL, 
	available_day INTEGER NOT NULL, 
	debit_account INTEGER NOT NULL, 
	credit_account INTEGER NOT NULL, 
	amount_minor INTEGER NOT NULL, 
	CONSTRAINT pk_entry PRIMARY KEY (run_day, affiliate, currency, kind, available_day), 
	CONSTRAINT ck_entry_positive CHECK (amount_minor > 0), 
	CONSTRAINT ck_entry_two_sides CHECK (debit_account <> credit_account)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "entry" VALUES(20484,1,1,1,20484,1,2,1875);
INSERT INTO "entry" VALUES(20484,1,1,4,20484,2,3,1875);
INSERT INTO "entry" VALUES(20484,1,2,1,20484,1,2,7021);
INSERT INTO "entry" VALUES(20484,1,2,2,20484,2,1,500);
INSERT INTO "entry" VALUES(20484,1,2,3,20484,2,1,250);
INSERT INTO "entry" VALUES(20484,1,2,4,20484,2,3,6271);
INSERT INTO "entry" VALUES(20484,2,2,1,20484,1,2,1263);
INSERT INTO "entry" VALUES(20484,2,2,1,20487,1,2,5000);
INSERT INTO "entry" VALUES(20484,2,2,3,20484,2,1,156);
INSERT INTO "entry" VALUES(20484,3,1,1,20484,1,2,3000);
INSERT INTO "entry" VALUES(20484,3,1,4,20484,2,3,3000);
INSERT INTO "entry" VALUES(20484,3,2,1,20484,1,2,7000);
INSERT INTO "entry" VALUES(20484,3,2,4,20484,2,3,7000);
INSERT INTO "entry" VALUES(20484,4,2,1,20484,1,2,694);
INSERT INTO "entry" VALUES(20484,9,2,1,20484,1,2,1280);
INSERT INTO "entry" VALUES(20512,1,1,2,20512,2,1,625);
INSERT INTO "entry" VALUES(20512,1,2,1,20512,1,2,972);
INSERT INTO "entry" VALUES(20512,1,2,2,20512,2,1,3250);
INSERT INTO "entry" VALUES(20512,2,2,1,20512,1,2,5000);
INSERT INTO "entry" VALUES(20512,2,2,1,20514,1,2,1600);
INSERT INTO "entry" VALUES(20512,3,1,2,20512,2,1,1000);
INSERT INTO "entry" VALUES(20512,3,2,1,20512,1,2,1555);
INSERT INTO "entry" VALUES(20512,3,2,2,20512,2,1,5000);
INSERT INTO "entry" VALUES(20543,2,2,1,20544,1,2,399);
INSERT INTO "entry" VALUES(20543,2,2,4,20543,2,3,12707);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	affiliate INTEGER NOT NULL, 
	occurred_us INTEGER NOT NULL, 
	amount_minor INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	root INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	extra TEXT, 
	CONSTRAINT pk_event PRIMARY KEY (id), 
	CONSTRAINT uq_event_event_id UNIQUE (event_id), 
	CONSTRAINT ck_event_reversal_is_negative CHECK (id = root OR amount_minor < 0)
)
 STRICT

;
INSERT INTO "event" VALUES(1,'e01',6,1767348000000000,10000,2,1,4,'{"note":"first, of all"}');
INSERT INTO "event" VALUES(2,'e02',6,1767434400000000,30000,2,2,4,'{"note":""}');
INSERT INTO "event" VALUES(3,'e03',3,1767652200000000,10105,2,3,4,'{"note":""}');
INSERT INTO "event" VALUES(4,'e05',6,1768219200000000,15001,1,4,4,'{"note":""}');
INSERT INTO "event" VALUES(5,'e06',9,1768305600000000,5555,2,5,4,'{"note":""}');
INSERT INTO "event" VALUES(6,'e07',8,1768392000000000,6400,2,6,4,'{"note":""}');
INSERT INTO "event" VALUES(7,'r01',6,1768478400000000,-4000,2,2,4,'{"note":""}');
INSERT INTO "event" VALUES(8,'e08',7,1768910400000000,0,2,8,4,'{"note":""}');
INSERT INTO "event" VALUES(9,'e09',3,1768996800000000,-1250,2,9,4,'{"note":""}');
INSERT INTO "event" VALUES(10,'e04',1,1769900399000000,99999,2,10,4,'{"note":""}');
INSERT INTO "event" VALUES(11,'e11',7,1772233199000000,8000,2,11,4,'{"note":""}');
INSERT INTO "event" VALUES(12,'e12',7,1774740600000000,1995,2,12,4,'{"note":""}');
INSERT INTO "event" VALUES(13,'e13',6,1769767200000000,7777,2,13,7,NULL);
INSERT INTO "event" VALUES(14,'e14',1,1770717600000000,50000,2,14,7,NULL);
INSERT INTO "event" VALUES(15,'r02',6,1771581600000000,-26000,2,2,7,NULL);
INSERT INTO "event" VALUES(16,'r03',6,1771668000000000,-5000,1,4,7,NULL);
CREATE TABLE hold (
	id INTEGER NOT NULL, 
	run_day INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	affiliate INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	figure INTEGER NOT NULL, 
	bound INTEGER NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_hold PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "hold" VALUES(1,20512,'payout',2,2,11107,10000,'{}');
CREATE TABLE intake (
	id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	learned_at TEXT NOT NULL, 
	who TEXT NOT NULL, 
	files TEXT NOT NULL, 
	accepted INTEGER NOT NULL, 
	duplicate INTEGER NOT NULL, 
	rejected INTEGER NOT NULL, 
	CONSTRAINT pk_intake PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "intake" VALUES(1,'plan','2026-11-22T06:01:45Z','root@vm','[]',1,0,0);
INSERT INTO "intake" VALUES(2,'import affiliates','2026-11-22T06:01:45Z','root@vm','[{"bytes": 231, "header": "affiliate_id,name,email,country,locale,status", "name": "affiliates.csv", "sha256": "95e5eaed7f55e5a95483fc11831be2900031dcbbc46be3ff586243b3451b6034"}]',5,0,1);
INSERT INTO "intake" VALUES(3,'import referrals','2026-11-22T06:01:45Z','root@vm','[{"bytes": 188, "header": "affiliate_id,referrer_id,since", "name": "referrals.csv", "sha256": "5b07478668588a5946481ffbfe1a138bd13afe82f678d449b6143fb7f31d5d7f"}]',8,0,2);
INSERT INTO "intake" VALUES(4,'import earnings','2026-11-22T06:01:45Z','root@vm','[{"bytes": 622, "header": "event_id,affiliate_id,occurred_at,amount,currency,reverses,note", "name": "earnings.csv", "sha256": "26f94d190cf3c41b873d3724b8f7266c78a4d212a79b90aac15a05a3abbb7b89"}]',12,0,1);
INSERT INTO "intake" VALUES(5,'move','2026-11-22T06:01:55Z','root@vm','[]',1,0,0);
INSERT INTO "intake" VALUES(6,'import affiliates','2026-11-22T06:02:05Z','root@vm','[{"bytes": 34, "header": "affiliate_id,status", "name": "status.csv", "sha256": "fd0992c0488242b754d77c97413ffe2362468ff58b5eb66bf359bbc5e14a2c40"}]',1,0,0);
INSERT INTO "intake" VALUES(7,'import earnings','2026-11-22T06:02:14Z','root@vm','[{"bytes": 269, "header": "event_id,affiliate_id,occurred_at,amount,currency,reverses", "name": "late.csv", "sha256": "e3cd6cd8d14e9fe8cc41e41e98c3f37fbe7fda08a4d082ca1a6917bb02b9d6d5"}]',4,0,1);
INSERT INTO "intake" VALUES(8,'release','2026-11-22T06:02:38Z','root@vm','[]',1,0,0);
CREATE TABLE lease (
	id INTEGER NOT NULL, 
	holder TEXT NOT NULL, 
	since TEXT NOT NULL, 
	token INTEGER NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "lease" VALUES(1,'root@vm (process 21921, run 2026-03-31)','2026-11-22T06:02:49Z',15);
CREATE TABLE line (
	run_day INTEGER NOT NULL, 
	beneficiary INTEGER NOT NULL, 
	event INTEGER NOT NULL, 
	level INTEGER NOT NULL, 
	gross_minor INTEGER NOT NULL, 
	commission_minor INTEGER NOT NULL, 
	reason INTEGER NOT NULL, 
	terms_day INTEGER NOT NULL, 
	available_day INTEGER NOT NULL, 
	CONSTRAINT pk_line PRIMARY KEY (run_day, beneficiary, event, level)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "line" VALUES(20484,1,1,2,1250,1250,0,20454,20458);
INSERT INTO "line" VALUES(20484,1,2,2,3750,3750,0,20454,20459);
INSERT INTO "line" VALUES(20484,1,3,1,2021,2021,0,20454,20461);
INSERT INTO "line" VALUES(20484,1,4,2,1875,1875,0,20454,20468);
INSERT INTO "line" VALUES(20484,1,7,2,-500,-500,0,20454,20459);
INSERT INTO "line" VALUES(20484,1,9,1,-250,-250,0,20454,20477);
INSERT INTO "line" VALUES(20484,2,3,2,1263,1263,0,20454,20461);
INSERT INTO "line" VALUES(20484,2,9,2,-156,-156,0,20454,20477);
INSERT INTO "line" VALUES(20484,2,10,1,20000,5000,2,20454,20487);
INSERT INTO "line" VALUES(20484,3,1,1,2000,2000,0,20454,20458);
INSERT INTO "line" VALUES(20484,3,2,1,6000,5000,2,20454,20459);
INSERT INTO "line" VALUES(20484,3,4,1,3000,3000,0,20454,20468);
INSERT INTO "line" VALUES(20484,3,7,1,-800,0,2,20454,20459);
INSERT INTO "line" VALUES(20484,3,8,2,0,0,0,20454,20476);
INSERT INTO "line" VALUES(20484,4,5,2,694,694,0,20454,20469);
INSERT INTO "line" VALUES(20484,5,5,1,0,0,1,20454,20469);
INSERT INTO "line" VALUES(20484,5,6,2,0,0,1,20454,20470);
INSERT INTO "line" VALUES(20484,6,8,1,0,0,0,20454,20476);
INSERT INTO "line" VALUES(20484,9,6,1,1280,1280,0,20454,20470);
INSERT INTO "line" VALUES(20512,1,13,2,972,972,0,20454,20486);
INSERT INTO "line" VALUES(20512,1,15,2,-3250,-3250,0,20454,20459);
INSERT INTO "line" VALUES(20512,1,16,2,-625,-625,0,20454,20468);
INSERT INTO "line" VALUES(20512,2,11,1,1600,1600,0,20454,20514);
INSERT INTO "line" VALUES(20512,2,14,1,10000,5000,2,20454,20497);
INSERT INTO "line" VALUES(20512,3,13,1,1555,1555,0,20454,20486);
INSERT INTO "line" VALUES(20512,3,15,1,-5200,-5000,2,20454,20459);
INSERT INTO "line" VALUES(20512,3,16,1,-1000,-1000,0,20454,20468);
INSERT INTO "line" VALUES(20543,2,12,1,399,399,0,20454,20544);
CREATE TABLE line_home (
	id INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	CONSTRAINT pk_line_home PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "line_home" VALUES(1,'database');
CREATE TABLE payout (
	run_day INTEGER NOT NULL, 
	affiliate INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	amount_minor INTEGER NOT NULL, 
	CONSTRAINT pk_payout PRIMARY KEY (run_day, affiliate, currency), 
	CONSTRAINT ck_payout_positive CHECK (amount_minor > 0)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "payout" VALUES(20484,1,1,1875);
INSERT INTO "payout" VALUES(20484,1,2,6271);
INSERT INTO "payout" VALUES(20484,3,1,3000);
INSERT INTO "payout" VALUES(20484,3,2,7000);
INSERT INTO "payout" VALUES(20543,2,2,12707);
CREATE TABLE plan_version (
	intake INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	record TEXT NOT NULL, 
	CONSTRAINT pk_plan_version PRIMARY KEY (intake), 
	CONSTRAINT fk_plan_version_intake FOREIGN KEY(intake) REFERENCES intake (id)
)
 STRICT

;
INSERT INTO "plan_version" VALUES(1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','{"name":"old books","payout":{"every":"month","minimum":{"JPY":"1000","USD":"25.00"}},"rate_bounds":["0","1"],"rounding":"half_even","terms":[{"cap":[{"amount":{"USD":"150.00"},"window":"year"}],"from":"2026-01-01","hold_days":3,"level":[{"cap":[{"amount":{"USD":"50.00"},"window":"order"},{"amount":{"USD":"110.00"},"window":"month"}],"level":1,"rate":"0.2"},{"cap":[],"level":2,"rate":"0.125"}]}],"timezone":"Europe/Berlin","units":{}}');
CREATE TABLE profile (
	affiliate INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	name TEXT, 
	email TEXT, 
	country TEXT, 
	locale TEXT, 
	status TEXT NOT NULL, 
	extra TEXT, 
	CONSTRAINT pk_profile PRIMARY KEY (affiliate, intake), 
	CONSTRAINT ck_profile_status CHECK (status IN ('active', 'suspended', 'closed'))
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "profile" VALUES(1,2,'Ben "B", Jr.','ben@example.com','US','en-US','active',NULL);
INSERT INTO "profile" VALUES(2,2,'Ada','ada@example.com','DE','de-DE','active',NULL);
INSERT INTO "profile" VALUES(3,2,'長 Chō',NULL,'JP','ja-JP','active',NULL);
INSERT INTO "profile" VALUES(3,6,'長 Chō',NULL,'JP','ja-JP','suspended',NULL);
INSERT INTO "profile" VALUES(4,2,'Fay',NULL,'US',NULL,'suspended',NULL);
INSERT INTO "profile" VALUES(5,2,NULL,NULL,'JP',NULL,'closed',NULL);
CREATE TABLE referral (
	affiliate INTEGER NOT NULL, 
	since_us INTEGER NOT NULL, 
	referrer INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	reason TEXT, 
	extra TEXT, 
	CONSTRAINT pk_referral PRIMARY KEY (affiliate, since_us), 
	CONSTRAINT ck_referral_not_self CHECK (affiliate <> referrer)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "referral" VALUES(1,-4611686018427387904,2,3,NULL,NULL);
INSERT INTO "referral" VALUES(3,1748736000000000,1,3,NULL,NULL);
INSERT INTO "referral" VALUES(4,1748736000000000,2,3,NULL,NULL);
INSERT INTO "referral" VALUES(5,-4611686018427387904,4,3,NULL,NULL);
INSERT INTO "referral" VALUES(6,1751364000000000,3,3,NULL,NULL);
INSERT INTO "referral" VALUES(7,1768003200000000,6,3,NULL,NULL);
INSERT INTO "referral" VALUES(7,1771545600000000,2,5,'dee asked for it',NULL);
INSERT INTO "referral" VALUES(8,-4611686018427387904,9,3,NULL,NULL);
INSERT INTO "referral" VALUES(9,-4611686018427387904,5,3,NULL,NULL);
CREATE TABLE refusal (
	id INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	file TEXT NOT NULL, 
	line INTEGER NOT NULL, 
	code TEXT NOT NULL, 
	column_name TEXT NOT NULL, 
	text TEXT NOT NULL, 
	message TEXT NOT NULL, 
	raw TEXT NOT NULL, 
	CONSTRAINT pk_refusal PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "refusal" VALUES(1,2,'affiliates','affiliates.csv',7,'bad_status','status','retired','''retired'' is not a status; write active, suspended or closed','zoe,Zoe,,US,,retired');
INSERT INTO "refusal" VALUES(2,3,'referrals','referrals.csv',10,'cycle','referrer_id','max','lea -> max -> lea: nobody can be above himself; one of these edges is wrong','lea,max,');
INSERT INTO "refusal" VALUES(3,3,'referrals','referrals.csv',11,'cycle','referrer_id','lea','max -> lea -> max: nobody can be above himself; one of these edges is wrong','max,lea,');
INSERT INTO "refusal" VALUES(4,4,'earnings','earnings.csv',12,'too_many_decimals','amount','20.005','''20.005'' has 3 decimals where USD has 2','e10,dee,2026-02-03T12:00:00Z,20.005,USD,,');
INSERT INTO "refusal" VALUES(5,7,'earnings','late.csv',5,'reversal_mismatch','affiliate_id','dee','the order e04 is =ben''s, not dee''s','r04,dee,2026-02-22T10:00:00Z,-1,JPY,e04');
CREATE TABLE release (
	hold INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	up_to INTEGER NOT NULL, 
	CONSTRAINT pk_release PRIMARY KEY (hold), 
	CONSTRAINT fk_release_hold FOREIGN KEY(hold) REFERENCES hold (id)
)
 STRICT

;
INSERT INTO "release" VALUES(1,8,'looked at',21107);
CREATE TABLE run (
	day INTEGER NOT NULL, 
	follows INTEGER NOT NULL, 
	intake INTEGER NOT NULL, 
	event INTEGER NOT NULL, 
	waiting_from INTEGER NOT NULL, 
	plan_version INTEGER NOT NULL, 
	plan_hash TEXT NOT NULL, 
	engine_version TEXT NOT NULL, 
	settles INTEGER NOT NULL, 
	outputs TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	completed_at TEXT NOT NULL, bounds TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (day), 
	CONSTRAINT uq_run_follows UNIQUE (follows)
)
 STRICT

;
INSERT INTO "run" VALUES(20484,-1000000,4,12,11,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 10, "lines": 19, "payouts": 4, "rejects": 4, "statements": 9}, "totals": {"JPY": {"adjusted": 0, "available": 0, "base": 15001, "booked": 4875, "closing": 0, "commission": 4875, "earned": 4875, "gross": 4875, "held": 0, "opening": 0, "paid": 4875, "reversed": 0}, "USD": {"adjusted": -406, "available": 3081, "base": 156809, "booked": 21352, "closing": 8081, "commission": 21352, "earned": 22258, "gross": 36552, "held": 5000, "opening": 0, "paid": 13271, "reversed": -500}}}','2026-11-22T06:01:45Z','2026-11-22T06:01:45Z','{"payout": {"USD": "100.00"}}');
INSERT INTO "run" VALUES(20512,20484,7,16,12,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 5, "lines": 8, "payouts": 0, "rejects": 1, "statements": 7}, "totals": {"JPY": {"adjusted": 0, "available": -1625, "base": -5000, "booked": -1625, "closing": -1625, "commission": -1625, "earned": 0, "gross": -1625, "held": 0, "opening": 0, "paid": 0, "reversed": -1625}, "USD": {"adjusted": 0, "available": 7358, "base": 39777, "booked": 877, "closing": 8958, "commission": 877, "earned": 9127, "gross": 5677, "held": 1600, "opening": 8081, "paid": 0, "reversed": -8250}}}','2026-11-22T06:02:26Z','2026-11-22T06:02:27Z','{"payout": {"USD": "100.00"}}');
INSERT INTO "run" VALUES(20543,20512,8,16,-1,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 1, "lines": 1, "payouts": 1, "rejects": 0, "statements": 7}, "totals": {"JPY": {"adjusted": 0, "available": -1625, "base": 0, "booked": 0, "closing": -1625, "commission": 0, "earned": 0, "gross": 0, "held": 0, "opening": -1625, "paid": 0, "reversed": 0}, "USD": {"adjusted": 0, "available": -3749, "base": 1995, "booked": 399, "closing": -3350, "commission": 399, "earned": 399, "gross": 399, "held": 399, "opening": 8958, "paid": 12707, "reversed": 0}}}','2026-11-22T06:02:50Z','2026-11-22T06:02:50Z','{"payout": {"USD": "100.00"}}');
CREATE TABLE segment (
	run_day INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	rows INTEGER NOT NULL, 
	bytes INTEGER NOT NULL, 
	lowest_beneficiary INTEGER NOT NULL, 
	highest_beneficiary INTEGER NOT NULL, 
	lowest_event INTEGER NOT NULL, 
	highest_event INTEGER NOT NULL, 
	highest_level INTEGER NOT NULL, 
	gross_minor INTEGER NOT NULL, 
	commission_minor INTEGER NOT NULL, 
	CONSTRAINT pk_segment PRIMARY KEY (run_day, number)
)
 WITHOUT ROWID,
 STRICT

;
CREATE TABLE statement (
	run_day INTEGER NOT NULL, 
	affiliate INTEGER NOT NULL, 
	currency INTEGER NOT NULL, 
	period_from INTEGER NOT NULL, 
	opening_minor INTEGER NOT NULL, 
	earned_minor INTEGER NOT NULL, 
	reversed_minor INTEGER NOT NULL, 
	adjusted_minor INTEGER NOT NULL, 
	paid_minor INTEGER NOT NULL, 
	closing_minor INTEGER NOT NULL, 
	held_minor INTEGER NOT NULL, 
	available_minor INTEGER NOT NULL, 
	CONSTRAINT pk_statement PRIMARY KEY (run_day, affiliate, currency), 
	CONSTRAINT ck_statement_foots CHECK (closing_minor = opening_minor + earned_minor + reversed_minor + adjusted_minor - paid_minor), 
	CONSTRAINT ck_statement_splits CHECK (closing_minor = held_minor + available_minor)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "statement" VALUES(20484,1,1,20455,0,1875,0,0,1875,0,0,0);
INSERT INTO "statement" VALUES(20484,1,2,20455,0,7021,-500,-250,6271,0,0,0);
INSERT INTO "statement" VALUES(20484,2,2,20458,0,6263,0,-156,0,6107,5000,1107);
INSERT INTO "statement" VALUES(20484,3,1,20455,0,3000,0,0,3000,0,0,0);
INSERT INTO "statement" VALUES(20484,3,2,20455,0,7000,0,0,7000,0,0,0);
INSERT INTO "statement" VALUES(20484,4,2,20466,0,694,0,0,0,694,0,694);
INSERT INTO "statement" VALUES(20484,5,2,20466,0,0,0,0,0,0,0,0);
INSERT INTO "statement" VALUES(20484,6,2,20473,0,0,0,0,0,0,0,0);
INSERT INTO "statement" VALUES(20484,9,2,20467,0,1280,0,0,0,1280,0,1280);
INSERT INTO "statement" VALUES(20512,1,1,20485,0,0,-625,0,0,-625,0,-625);
INSERT INTO "statement" VALUES(20512,1,2,20485,0,972,-3250,0,0,-2278,0,-2278);
INSERT INTO "statement" VALUES(20512,2,2,20485,6107,6600,0,0,0,12707,1600,11107);
INSERT INTO "statement" VALUES(20512,3,1,20485,0,0,-1000,0,0,-1000,0,-1000);
INSERT INTO "statement" VALUES(20512,3,2,20485,0,1555,-5000,0,0,-3445,0,-3445);
INSERT INTO "statement" VALUES(20512,4,2,20485,694,0,0,0,0,694,0,694);
INSERT INTO "statement" VALUES(20512,9,2,20485,1280,0,0,0,0,1280,0,1280);
INSERT INTO "statement" VALUES(20543,1,1,20513,-625,0,0,0,0,-625,0,-625);
INSERT INTO "statement" VALUES(20543,1,2,20513,-2278,0,0,0,0,-2278,0,-2278);
INSERT INTO "statement" VALUES(20543,2,2,20513,12707,399,0,0,12707,399,399,0);
INSERT INTO "statement" VALUES(20543,3,1,20513,-1000,0,0,0,0,-1000,0,-1000);
INSERT INTO "statement" VALUES(20543,3,2,20513,-3445,0,0,0,0,-3445,0,-3445);
INSERT INTO "statement" VALUES(20543,4,2,20513,694,0,0,0,0,694,0,694);
INSERT INTO "statement" VALUES(20543,9,2,20513,1280,0,0,0,0,1280,0,1280);
CREATE INDEX ix_event_root ON event (root) WHERE root != id;
CREATE INDEX ix_entry_available_day ON entry (available_day);
CREATE INDEX ix_statement_affiliate ON statement (affiliate);
CREATE TRIGGER activity_refuses_update BEFORE update ON activity BEGIN SELECT RAISE(ABORT, 'activity is only ever added to: update refused'); END;
CREATE TRIGGER activity_refuses_delete BEFORE delete ON activity BEGIN SELECT RAISE(ABORT, 'activity is only ever added to: delete refused'); END;
CREATE TRIGGER affiliate_refuses_update BEFORE update ON affiliate BEGIN SELECT RAISE(ABORT, 'affiliate is only ever added to: update refused'); END;
CREATE TRIGGER affiliate_refuses_delete BEFORE delete ON affiliate BEGIN SELECT RAISE(ABORT, 'affiliate is only ever added to: delete refused'); END;
CREATE TRIGGER attempt_refuses_update BEFORE update ON attempt BEGIN SELECT RAISE(ABORT, 'attempt is only ever added to: update refused'); END;
CREATE TRIGGER attempt_refuses_delete BEFORE delete ON attempt BEGIN SELECT RAISE(ABORT, 'attempt is only ever added to: delete refused'); END;
CREATE TRIGGER currency_refuses_update BEFORE update ON currency BEGIN SELECT RAISE(ABORT, 'currency is only ever added to: update refused'); END;
CREATE TRIGGER currency_refuses_delete BEFORE delete ON currency BEGIN SELECT RAISE(ABORT, 'currency is only ever added to: delete refused'); END;
CREATE TRIGGER entry_refuses_update BEFORE update ON entry BEGIN SELECT RAISE(ABORT, 'entry is only ever added to: update refused'); END;
CREATE TRIGGER entry_refuses_delete BEFORE delete ON entry BEGIN SELECT RAISE(ABORT, 'entry is only ever added to: delete refused'); END;
CREATE TRIGGER event_refuses_update BEFORE update ON event BEGIN SELECT RAISE(ABORT, 'event is only ever added to: update refused'); END;
CREATE TRIGGER event_refuses_delete BEFORE delete ON event BEGIN SELECT RAISE(ABORT, 'event is only ever added to: delete refused'); END;
CREATE TRIGGER intake_refuses_update BEFORE update ON intake BEGIN SELECT RAISE(ABORT, 'intake is only ever added to: update refused'); END;
CREATE TRIGGER intake_refuses_delete BEFORE delete ON intake BEGIN SELECT RAISE(ABORT, 'intake is only ever added to: delete refused'); END;
CREATE TRIGGER payout_refuses_update BEFORE update ON payout BEGIN SELECT RAISE(ABORT, 'payout is only ever added to: update refused'); END;
CREATE TRIGGER payout_refuses_delete BEFORE delete ON payout BEGIN SELECT RAISE(ABORT, 'payout is only ever added to: delete refused'); END;
CREATE TRIGGER profile_refuses_update BEFORE update ON profile BEGIN SELECT RAISE(ABORT, 'profile is only ever added to: update refused'); END;
CREATE TRIGGER profile_refuses_delete BEFORE delete ON profile BEGIN SELECT RAISE(ABORT, 'profile is only ever added to: delete refused'); END;
CREATE TRIGGER referral_refuses_update BEFORE update ON referral BEGIN SELECT RAISE(ABORT, 'referral is only ever added to: update refused'); END;
CREATE TRIGGER referral_refuses_delete BEFORE delete ON referral BEGIN SELECT RAISE(ABORT, 'referral is only ever added to: delete refused'); END;
CREATE TRIGGER refusal_refuses_update BEFORE update ON refusal BEGIN SELECT RAISE(ABORT, 'refusal is only ever added to: update refused'); END;
CREATE TRIGGER refusal_refuses_delete BEFORE delete ON refusal BEGIN SELECT RAISE(ABORT, 'refusal is only ever added to: delete refused'); END;
CREATE TRIGGER statement_refuses_update BEFORE update ON statement BEGIN SELECT RAISE(ABORT, 'statement is only ever added to: update refused'); END;
CREATE TRIGGER statement_refuses_delete BEFORE delete ON statement BEGIN SELECT RAISE(ABORT, 'statement is only ever added to: delete refused'); END;
CREATE TRIGGER attempt_end_refuses_update BEFORE update ON attempt_end BEGIN SELECT RAISE(ABORT, 'attempt_end is only ever added to: update refused'); END;
CREATE TRIGGER attempt_end_refuses_delete BEFORE delete ON attempt_end BEGIN SELECT RAISE(ABORT, 'attempt_end is only ever added to: delete refused'); END;
CREATE TRIGGER plan_version_refuses_update BEFORE update ON plan_version BEGIN SELECT RAISE(ABORT, 'plan_version is only ever added to: update refused'); END;
CREATE TRIGGER plan_version_refuses_delete BEFORE delete ON plan_version BEGIN SELECT RAISE(ABORT, 'plan_version is only ever added to: delete refused'); END;
CREATE TRIGGER line_home_refuses_update BEFORE update ON line_home BEGIN SELECT RAISE(ABORT, 'line_home is only ever added to: update refused'); END;
CREATE TRIGGER line_home_refuses_delete BEFORE delete ON line_home BEGIN SELECT RAISE(ABORT, 'line_home is only ever added to: delete refused'); END;
CREATE TRIGGER segment_refuses_update BEFORE update ON segment BEGIN SELECT RAISE(ABORT, 'segment is only ever added to: update refused'); END;
CREATE TRIGGER segment_refuses_delete BEFORE delete ON segment BEGIN SELECT RAISE(ABORT, 'segment is only ever added to: delete refused'); END;
CREATE TRIGGER line_refuses_update BEFORE update ON line BEGIN SELECT RAISE(ABORT, 'line is only ever added to: update refused'); END;
CREATE TRIGGER line_refuses_delete BEFORE delete ON line BEGIN SELECT RAISE(ABORT, 'line is only ever added to: delete refused'); END;
CREATE TRIGGER run_refuses_update BEFORE update ON run BEGIN SELECT RAISE(ABORT, 'run is only ever added to: update refused'); END;
CREATE TRIGGER run_refuses_delete BEFORE delete ON run BEGIN SELECT RAISE(ABORT, 'run is only ever added to: delete refused'); END;
CREATE TRIGGER audit_refuses_update BEFORE update ON audit BEGIN SELECT RAISE(ABORT, 'audit is only ever added to: update refused'); END;
CREATE TRIGGER audit_refuses_delete BEFORE delete ON audit BEGIN SELECT RAISE(ABORT, 'audit is only ever added to: delete refused'); END;
CREATE TRIGGER hold_refuses_update BEFORE update ON hold BEGIN SELECT RAISE(ABORT, 'hold is only ever added to: update refused'); END;
CREATE TRIGGER hold_refuses_delete BEFORE delete ON hold BEGIN SELECT RAISE(ABORT, 'hold is only ever added to: delete refused'); END;
CREATE TRIGGER release_refuses_update BEFORE update ON release BEGIN SELECT RAISE(ABORT, 'release is only ever added to: update refused'); END;
CREATE TRIGGER release_refuses_delete BEFORE delete ON release BEGIN SELECT RAISE(ABORT, 'release is only ever added to: delete refused'); END;
COMMIT;
