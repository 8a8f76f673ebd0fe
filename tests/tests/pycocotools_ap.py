"""Average precision of a replay's results by pycocotools: RESULTS.jsonl TRUTH.json -> {"ap50": .., "ap50_95": ..}"""
import contextlib
import json
import os
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main(results_path, truth_path):
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        truth = COCO(truth_path)
        images = truth.dataset["images"]
        category = {c["name"]: c["id"] for c in truth.dataset["categories"]}
        used = [i["id"] for i in images if not i.get("label_overlay")]
        found = []
        for line in open(results_path):
            result = json.loads(line)
            if "views" not in result:
                continue
            view = result["views"][0]
            for d in view["detections"]:
                box = d["bbox_px"]
                found.append({
                    "image_id": images[view["frame_id"] % len(images)]["id"],
                    "category_id": category[d["code"]],
                    "bbox": [box["x"], box["y"], box["w"], box["h"]],
                    "score": d["score"],
                })
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.params.imgIds = used
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    print(json.dumps({"ap50_95": float(evaluation.stats[0]), "ap50": float(evaluation.stats[1])}))


main(*sys.argv[1:3])
