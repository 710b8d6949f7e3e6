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
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE attempt (
	id INTEGER NOT NULL, 
	day INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	who TEXT NOT NULL, 
	CONSTRAINT pk_attempt PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "attempt" VALUES(1,20484,'2026-11-22T05:58:09Z','root@vm');
INSERT INTO "attempt" VALUES(2,20512,'2026-11-22T05:58:40Z','root@vm');
INSERT INTO "attempt" VALUES(3,20543,'2026-11-22T05:58:44Z','root@vm');
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
INSERT INTO "attempt_end" VALUES(1,'2026-11-22T05:58:10Z','completed','');
INSERT INTO "attempt_end" VALUES(2,'2026-11-22T05:58:40Z','completed','');
INSERT INTO "attempt_end" VALUES(3,'2026-11-22T05:58:44Z','completed','');
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
INSERT INTO "entry" VALUES(20484,1,1,1,20468,1,2,1875);
INSERT INTO "entry" VALUES(20484,1,1,4,20484,2,3,1875);
INSERT INTO "entry" VALUES(20484,1,2,1,20458,1,2,1250);
INSERT INTO "entry" VALUES(20484,1,2,1,20459,1,2,3750);
INSERT INTO "entry" VALUES(20484,1,2,1,20461,1,2,2021);
INSERT INTO "entry" VALUES(20484,1,2,2,20459,2,1,500);
INSERT INTO "entry" VALUES(20484,1,2,3,20477,2,1,250);
INSERT INTO "entry" VALUES(20484,1,2,4,20484,2,3,6271);
INSERT INTO "entry" VALUES(20484,2,2,1,20461,1,2,1263);
INSERT INTO "entry" VALUES(20484,2,2,1,20487,1,2,5000);
INSERT INTO "entry" VALUES(20484,2,2,3,20477,2,1,156);
INSERT INTO "entry" VALUES(20484,3,1,1,20468,1,2,3000);
INSERT INTO "entry" VALUES(20484,3,1,4,20484,2,3,3000);
INSERT INTO "entry" VALUES(20484,3,2,1,20458,1,2,2000);
INSERT INTO "entry" VALUES(20484,3,2,1,20459,1,2,5000);
INSERT INTO "entry" VALUES(20484,3,2,4,20484,2,3,7000);
INSERT INTO "entry" VALUES(20484,4,2,1,20469,1,2,694);
INSERT INTO "entry" VALUES(20484,9,2,1,20470,1,2,1280);
INSERT INTO "entry" VALUES(20512,1,1,2,20468,2,1,625);
INSERT INTO "entry" VALUES(20512,1,2,1,20486,1,2,972);
INSERT INTO "entry" VALUES(20512,1,2,2,20459,2,1,3250);
INSERT INTO "entry" VALUES(20512,2,2,1,20497,1,2,5000);
INSERT INTO "entry" VALUES(20512,2,2,1,20514,1,2,1600);
INSERT INTO "entry" VALUES(20512,2,2,4,20512,2,3,11107);
INSERT INTO "entry" VALUES(20512,3,1,2,20468,2,1,1000);
INSERT INTO "entry" VALUES(20512,3,2,1,20486,1,2,1555);
INSERT INTO "entry" VALUES(20512,3,2,2,20459,2,1,5000);
INSERT INTO "entry" VALUES(20543,2,2,1,20544,1,2,399);
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
INSERT INTO "intake" VALUES(1,'plan','2026-11-22T05:58:09Z','root@vm','[]',1,0,0);
INSERT INTO "intake" VALUES(2,'import affiliates','2026-11-22T05:58:09Z','root@vm','[{"bytes": 231, "header": "affiliate_id,name,email,country,locale,status", "name": "affiliates.csv", "sha256": "95e5eaed7f55e5a95483fc11831be2900031dcbbc46be3ff586243b3451b6034"}]',5,0,1);
INSERT INTO "intake" VALUES(3,'import referrals','2026-11-22T05:58:09Z','root@vm','[{"bytes": 188, "header": "affiliate_id,referrer_id,since", "name": "referrals.csv", "sha256": "5b07478668588a5946481ffbfe1a138bd13afe82f678d449b6143fb7f31d5d7f"}]',8,0,2);
INSERT INTO "intake" VALUES(4,'import earnings','2026-11-22T05:58:09Z','root@vm','[{"bytes": 622, "header": "event_id,affiliate_id,occurred_at,amount,currency,reverses,note", "name": "earnings.csv", "sha256": "26f94d190cf3c41b873d3724b8f7266c78a4d212a79b90aac15a05a3abbb7b89"}]',12,0,1);
INSERT INTO "intake" VALUES(5,'move','2026-11-22T05:58:18Z','root@vm','[]',1,0,0);
INSERT INTO "intake" VALUES(6,'import affiliates','2026-11-22T05:58:26Z','root@vm','[{"bytes": 34, "header": "affiliate_id,status", "name": "status.csv", "sha256": "fd0992c0488242b754d77c97413ffe2362468ff58b5eb66bf359bbc5e14a2c40"}]',1,0,0);
INSERT INTO "intake" VALUES(7,'import earnings','2026-11-22T05:58:33Z','root@vm','[{"bytes": 269, "header": "event_id,affiliate_id,occurred_at,amount,currency,reverses", "name": "late.csv", "sha256": "e3cd6cd8d14e9fe8cc41e41e98c3f37fbe7fda08a4d082ca1a6917bb02b9d6d5"}]',4,0,1);
CREATE TABLE lease (
	id INTEGER NOT NULL, 
	holder TEXT NOT NULL, 
	since TEXT NOT NULL, 
	token INTEGER NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "lease" VALUES(1,'root@vm (process 16581, run 2026-03-31)','2026-11-22T05:58:44Z',6);
CREATE TABLE line (
	event INTEGER NOT NULL, 
	level INTEGER NOT NULL, 
	run_day INTEGER NOT NULL, 
	beneficiary INTEGER NOT NULL, 
	gross_minor INTEGER NOT NULL, 
	commission_minor INTEGER NOT NULL, 
	reason INTEGER NOT NULL, 
	terms_day INTEGER NOT NULL, 
	available_day INTEGER NOT NULL, 
	CONSTRAINT pk_line PRIMARY KEY (event, level)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "line" VALUES(1,1,20484,3,2000,2000,0,20454,20458);
INSERT INTO "line" VALUES(1,2,20484,1,1250,1250,0,20454,20458);
INSERT INTO "line" VALUES(2,1,20484,3,6000,5000,2,20454,20459);
INSERT INTO "line" VALUES(2,2,20484,1,3750,3750,0,20454,20459);
INSERT INTO "line" VALUES(3,1,20484,1,2021,2021,0,20454,20461);
INSERT INTO "line" VALUES(3,2,20484,2,1263,1263,0,20454,20461);
INSERT INTO "line" VALUES(4,1,20484,3,3000,3000,0,20454,20468);
INSERT INTO "line" VALUES(4,2,20484,1,1875,1875,0,20454,20468);
INSERT INTO "line" VALUES(5,1,20484,5,0,0,1,20454,20469);
INSERT INTO "line" VALUES(5,2,20484,4,694,694,0,20454,20469);
INSERT INTO "line" VALUES(6,1,20484,9,1280,1280,0,20454,20470);
INSERT INTO "line" VALUES(6,2,20484,5,0,0,1,20454,20470);
INSERT INTO "line" VALUES(7,1,20484,3,-800,0,2,20454,20459);
INSERT INTO "line" VALUES(7,2,20484,1,-500,-500,0,20454,20459);
INSERT INTO "line" VALUES(8,1,20484,6,0,0,0,20454,20476);
INSERT INTO "line" VALUES(8,2,20484,3,0,0,0,20454,20476);
INSERT INTO "line" VALUES(9,1,20484,1,-250,-250,0,20454,20477);
INSERT INTO "line" VALUES(9,2,20484,2,-156,-156,0,20454,20477);
INSERT INTO "line" VALUES(10,1,20484,2,20000,5000,2,20454,20487);
INSERT INTO "line" VALUES(11,1,20512,2,1600,1600,0,20454,20514);
INSERT INTO "line" VALUES(12,1,20543,2,399,399,0,20454,20544);
INSERT INTO "line" VALUES(13,1,20512,3,1555,1555,0,20454,20486);
INSERT INTO "line" VALUES(13,2,20512,1,972,972,0,20454,20486);
INSERT INTO "line" VALUES(14,1,20512,2,10000,5000,2,20454,20497);
INSERT INTO "line" VALUES(15,1,20512,3,-5200,-5000,2,20454,20459);
INSERT INTO "line" VALUES(15,2,20512,1,-3250,-3250,0,20454,20459);
INSERT INTO "line" VALUES(16,1,20512,3,-1000,-1000,0,20454,20468);
INSERT INTO "line" VALUES(16,2,20512,1,-625,-625,0,20454,20468);
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
INSERT INTO "payout" VALUES(20512,2,2,11107);
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
CREATE TABLE run (
	day INTEGER NOT NULL, 
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
	completed_at TEXT NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (day)
)
 STRICT

;
INSERT INTO "run" VALUES(20484,4,12,11,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 10, "lines": 19, "payouts": 4, "rejects": 4, "statements": 9}, "totals": {"JPY": {"adjusted": 0, "available": 0, "base": 15001, "booked": 4875, "closing": 0, "commission": 4875, "earned": 4875, "gross": 4875, "held": 0, "opening": 0, "paid": 4875, "reversed": 0}, "USD": {"adjusted": -406, "available": 3081, "base": 156809, "booked": 21352, "closing": 8081, "commission": 21352, "earned": 22258, "gross": 36552, "held": 5000, "opening": 0, "paid": 13271, "reversed": -500}}}','2026-11-22T05:58:10Z','2026-11-22T05:58:10Z');
INSERT INTO "run" VALUES(20512,7,16,12,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 5, "lines": 8, "payouts": 1, "rejects": 1, "statements": 7}, "totals": {"JPY": {"adjusted": 0, "available": -1625, "base": -5000, "booked": -1625, "closing": -1625, "commission": -1625, "earned": 0, "gross": -1625, "held": 0, "opening": 0, "paid": 0, "reversed": -1625}, "USD": {"adjusted": 0, "available": -3749, "base": 39777, "booked": 877, "closing": -2149, "commission": 877, "earned": 9127, "gross": 5677, "held": 1600, "opening": 8081, "paid": 11107, "reversed": -8250}}}','2026-11-22T05:58:40Z','2026-11-22T05:58:40Z');
INSERT INTO "run" VALUES(20543,7,16,-1,1,'c83e6dff78b071cfabd0d172dfd229fe98bedcdb0e7a64fb22592f3fa78eb46f','0.1.0',1,'{"documents": "all", "formats": ["csv"]}','{"counts": {"events": 1, "lines": 1, "payouts": 0, "rejects": 0, "statements": 7}, "totals": {"JPY": {"adjusted": 0, "available": -1625, "base": 0, "booked": 0, "closing": -1625, "commission": 0, "earned": 0, "gross": 0, "held": 0, "opening": -1625, "paid": 0, "reversed": 0}, "USD": {"adjusted": 0, "available": -2149, "base": 1995, "booked": 399, "closing": -1750, "commission": 399, "earned": 399, "gross": 399, "held": 399, "opening": -2149, "paid": 0, "reversed": 0}}}','2026-11-22T05:58:44Z','2026-11-22T05:58:44Z');
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
INSERT INTO "statement" VALUES(20512,2,2,20485,6107,6600,0,0,11107,1600,1600,0);
INSERT INTO "statement" VALUES(20512,3,1,20485,0,0,-1000,0,0,-1000,0,-1000);
INSERT INTO "statement" VALUES(20512,3,2,20485,0,1555,-5000,0,0,-3445,0,-3445);
INSERT INTO "statement" VALUES(20512,4,2,20485,694,0,0,0,0,694,0,694);
INSERT INTO "statement" VALUES(20512,9,2,20485,1280,0,0,0,0,1280,0,1280);
INSERT INTO "statement" VALUES(20543,1,1,20513,-625,0,0,0,0,-625,0,-625);
INSERT INTO "statement" VALUES(20543,1,2,20513,-2278,0,0,0,0,-2278,0,-2278);
INSERT INTO "statement" VALUES(20543,2,2,20513,1600,399,0,0,0,1999,399,1600);
INSERT INTO "statement" VALUES(20543,3,1,20513,-1000,0,0,0,0,-1000,0,-1000);
INSERT INTO "statement" VALUES(20543,3,2,20513,-3445,0,0,0,0,-3445,0,-3445);
INSERT INTO "statement" VALUES(20543,4,2,20513,694,0,0,0,0,694,0,694);
INSERT INTO "statement" VALUES(20543,9,2,20513,1280,0,0,0,0,1280,0,1280);
CREATE INDEX ix_event_root ON event (root) WHERE root != id;
CREATE INDEX ix_line_beneficiary_run_day ON line (beneficiary, run_day);
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
CREATE TRIGGER line_refuses_update BEFORE update ON line BEGIN SELECT RAISE(ABORT, 'line is only ever added to: update refused'); END;
CREATE TRIGGER line_refuses_delete BEFORE delete ON line BEGIN SELECT RAISE(ABORT, 'line is only ever added to: delete refused'); END;
CREATE TRIGGER payout_refuses_update BEFORE update ON payout BEGIN SELECT RAISE(ABORT, 'payout is only ever added to: update refused'); END;
CREATE TRIGGER payout_refuses_delete BEFORE delete ON payout BEGIN SELECT RAISE(ABORT, 'payout is only ever added to: delete refused'); END;
CREATE TRIGGER profile_refuses_update BEFORE update ON profile BEGIN SELECT RAISE(ABORT, 'profile is only ever added to: update refused'); END;
CREATE TRIGGER profile_refuses_delete BEFORE delete ON profile BEGIN SELECT RAISE(ABORT, 'profile is only ever added to: delete refused'); END;
CREATE TRIGGER referral_refuses_update BEFORE update ON referral BEGIN SELECT RAISE(ABORT, 'referral is only ever added to: update refused'); END;
CREATE TRIGGER referral_refuses_delete BEFORE delete ON referral BEGIN SELECT RAISE(ABORT, 'referral is only ever added to: delete refused'); END;
CREATE TRIGGER refusal_refuses_update BEFORE update ON refusal BEGIN SELECT RAISE(ABORT, 'refusal is only ever added to: update refused'); END;
CREATE TRIGGER refusal_refuses_delete BEFORE delete ON refusal BEGIN SELECT RAISE(ABORT, 'refusal is only ever added to: delete refused'); END;
CREATE TRIGGER run_refuses_update BEFORE update ON run BEGIN SELECT RAISE(ABORT, 'run is only ever added to: update refused'); END;
CREATE TRIGGER run_refuses_delete BEFORE delete ON run BEGIN SELECT RAISE(ABORT, 'run is only ever added to: delete refused'); END;
CREATE TRIGGER statement_refuses_update BEFORE update ON statement BEGIN SELECT RAISE(ABORT, 'statement is only ever added to: update refused'); END;
CREATE TRIGGER statement_refuses_delete BEFORE delete ON statement BEGIN SELECT RAISE(ABORT, 'statement is only ever added to: delete refused'); END;
CREATE TRIGGER attempt_end_refuses_update BEFORE update ON attempt_end BEGIN SELECT RAISE(ABORT, 'attempt_end is only ever added to: update refused'); END;
CREATE TRIGGER attempt_end_refuses_delete BEFORE delete ON attempt_end BEGIN SELECT RAISE(ABORT, 'attempt_end is only ever added to: delete refused'); END;
CREATE TRIGGER plan_version_refuses_update BEFORE update ON plan_version BEGIN SELECT RAISE(ABORT, 'plan_version is only ever added to: update refused'); END;
CREATE TRIGGER plan_version_refuses_delete BEFORE delete ON plan_version BEGIN SELECT RAISE(ABORT, 'plan_version is only ever added to: delete refused'); END;
COMMIT;
