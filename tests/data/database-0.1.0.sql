BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'upscaled','first','2026-12-01 12:24:48.616716+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'upscaled','scale_is_a_number','2026-12-01 12:24:48.621930+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'upscaled','duplicates_are_found','2026-12-01 12:24:48.623218+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'upscaled','figures','2026-12-01 12:24:48.624579+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'upscaled','results_are_known','2026-12-01 12:24:48.625577+00:00');
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    detail TEXT
) STRICT;
INSERT INTO "history" VALUES(1,1,1800000000.0,'claimed','attempt 1');
INSERT INTO "history" VALUES(2,1,1800000000.0,'done',NULL);
INSERT INTO "history" VALUES(3,2,1800000000.0,'claimed','attempt 1');
INSERT INTO "history" VALUES(4,2,1800000000.0,'failed','it is no image');
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    path BLOB NOT NULL,                -- os.fsencode: a name need not be UTF-8
    relative BLOB NOT NULL,            -- its folder below the inbox
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    recipe_id INTEGER NOT NULL REFERENCES recipe (id),
    priority INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    owner TEXT,                        -- boot id, pid and start time of the daemon that runs it
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    deaths INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    suspect INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),  -- runs alone
    known INTEGER NOT NULL DEFAULT 1 CHECK (known IN (0, 1)),  -- 0: its file went or changed
    not_before REAL NOT NULL DEFAULT 0,
    content_sha256 TEXT,
    output BLOB,
    output_sha256 TEXT,
    width_px INTEGER,
    height_px INTEGER,
    duplicate_of INTEGER REFERENCES job (id) ON DELETE SET NULL,
    source_pending INTEGER NOT NULL DEFAULT 0 CHECK (source_pending IN (0, 1)),
    reason TEXT,
    hint TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    timings TEXT NOT NULL DEFAULT '{}',
    queued_at REAL NOT NULL,
    claimed_at REAL,
    finished_at REAL, scale REAL, figures TEXT NOT NULL DEFAULT '{}',
    CHECK ((state = 'running') = (owner IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'done' OR (output IS NOT NULL AND output_sha256 IS NOT NULL)),
    CHECK (state <> 'failed' OR reason IS NOT NULL),
    CHECK (source_pending = 0 OR state IN ('done', 'failed'))
) STRICT;
INSERT INTO "job" VALUES(1,'photos',X'2F696E626F782F612E706E67',X'2E',1,2,3,1,1,0,'done',NULL,1,0,0,1,0.0,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',X'2F6F7574626F782F615F34782E706E67','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',400,300,NULL,1,NULL,NULL,'["a note"]','{"decode_s": 0.1, "encode_s": 0.3, "publish_s": 0.4, "upscale_s": 0.2}',1800000000.0,1800000000.0,1800000000.0,4.0,'{}');
INSERT INTO "job" VALUES(2,'photos',X'2F696E626F782F622E706E67',X'2E',1,2,3,1,1,0,'failed',NULL,1,0,0,1,0.0,NULL,NULL,NULL,NULL,NULL,NULL,1,'it is no image','look at it','[]','{}',1800000000.0,1800000000.0,1800000000.0,NULL,'{}');
INSERT INTO "job" VALUES(3,'photos',X'2F696E626F782F632E706E67',X'2E',1,2,3,1,1,0,'waiting',NULL,0,0,0,1,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'[]','{}',1800000000.0,NULL,NULL,NULL,'{}');
INSERT INTO "job" VALUES(4,'scans',X'2F696E626F782F642E706E67',X'2E',1,2,3,1,2,0,'waiting',NULL,0,0,0,1,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'[]','{}',1800000000.0,NULL,NULL,NULL,'{}');
INSERT INTO "job" VALUES(5,'flows',X'2F696E626F782F652E706E67',X'2E',1,2,3,1,3,0,'waiting',NULL,0,0,0,1,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'[]','{}',1800000000.0,NULL,NULL,NULL,'{}');
CREATE TABLE learned (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) STRICT;
INSERT INTO "learned" VALUES('tiles','{"64": 1}',1800000000.0);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "meta" VALUES('store_id','1e52d39c');
CREATE TABLE pause (
    rule TEXT PRIMARY KEY,             -- '' pauses all
    cause TEXT NOT NULL CHECK (cause IN ('user', 'environment')),
    reason TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL,                        -- NULL: until resumed by hand
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE recipe (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,       -- of recipe and delivery together
    pixels_digest TEXT NOT NULL,       -- of what decides the bytes of an output
    recipe TEXT NOT NULL,
    delivery TEXT NOT NULL
) STRICT;
INSERT INTO "recipe" VALUES(1,'9dc4f8404ee4025ace7d2d7dbd38453822d6a2899f6d2c5166485d173925fd3b','3435d8f388084e70fd791efa078f043861b2366af14520771f302e8d1bddcd80','{"chroma": null, "colour_fix": true, "effort": "normal", "fit": null, "format": "same", "lossless": null, "metadata": "keep", "model": "realesrgan-x4plus", "on_too_large": "fail", "precision": "auto", "provenance": true, "quality": null, "result": "", "scale": null, "source_limit_mp": 500.0, "stages": [], "tile_px": null}','{"check": null, "collision": "number", "extras": [], "failure_folder": null, "folder": "/outbox", "name": "{stem}_{scale}x.{ext}", "on_failure": "keep", "on_success": "keep", "require_mount": null, "success_folder": null}');
INSERT INTO "recipe" VALUES(2,'73d031ca7a065d7f206e70b73743b20f3ce866f522b5d27241a70d38d7df4ced','a6a79fc575b66578592eac0db86bb9221d08a4da45cd9b10704e6015e2553a95','{"chroma": "4:2:0", "colour_fix": false, "effort": "best", "fit": null, "format": "webp", "lossless": false, "metadata": "strip", "model": "/models/caf\udce9.pth", "on_too_large": "downscale", "precision": "fp16", "provenance": false, "quality": 80, "result": "", "scale": 2.0, "source_limit_mp": 100.0, "stages": [], "tile_px": 64}','{"check": {"max_colour_drift": null, "min_psnr_db": 20.0, "min_ssim": null, "on_low_quality": "review", "review_folder": "/review", "sheet": "png", "sidecar": true}, "collision": "replace", "extras": [{"folder": "/clean", "format": "png", "name": "{stem}.{ext}", "quality": 90, "stage": "clean"}], "failure_folder": "/failed", "folder": "/out/caf\udce9", "name": "{stem}.{ext}", "on_failure": "move", "on_success": "move", "require_mount": true, "success_folder": "/done"}');
INSERT INTO "recipe" VALUES(3,'58f5f263ca84da919d0fc4115c56415b41fe71851b695a4eeb383ab96470655b','8ca68ac7a4d6ea18dd3bfbcce0e8f1f708d998772b4c3ee5560f02f4353f51a1','{"chroma": null, "colour_fix": true, "effort": "normal", "fit": null, "format": "same", "lossless": null, "metadata": "keep", "model": "m", "on_too_large": "fail", "precision": "auto", "provenance": true, "quality": null, "result": "up", "scale": null, "source_limit_mp": 500.0, "stages": [{"command": [], "detector": null, "fit": null, "inputs": [""], "model": null, "name": "clean", "numbers": [["strength", 0.5]], "precision": "auto", "scale": null, "task": "image-denoise", "tile_px": null}, {"command": [], "detector": null, "fit": {"height_px": null, "long_edge_px": 4000, "megapixels": null, "only_if_smaller": false, "short_edge_px": null, "width_px": null}, "inputs": ["clean"], "model": "m", "name": "up", "numbers": [], "precision": "auto", "scale": null, "task": "image-upscale", "tile_px": null}], "tile_px": null}','{"check": null, "collision": "number", "extras": [], "failure_folder": null, "folder": "/outbox", "name": "{stem}_{scale}x.{ext}", "on_failure": "keep", "on_success": "keep", "require_mount": null, "success_folder": null}');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX job_live ON job (rule, path) WHERE state IN ('waiting', 'running');
CREATE INDEX job_next ON job (rule, suspect, priority DESC, id) WHERE state = 'waiting';
CREATE INDEX job_later ON job (not_before) WHERE state = 'waiting' AND not_before > 0;
CREATE INDEX job_path ON job (path, rule);
CREATE INDEX job_content ON job (rule, content_sha256) WHERE state = 'done';
CREATE INDEX job_finished ON job (state, rule, finished_at);
CREATE INDEX job_source ON job (id) WHERE source_pending = 1;
CREATE INDEX history_job ON history (job_id, id);
CREATE INDEX job_duplicate ON job (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX job_result ON job (output_sha256) WHERE state = 'done';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job',5);
COMMIT;
PRAGMA user_version = 5;
