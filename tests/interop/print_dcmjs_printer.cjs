// A printer by the npm package dcmjs-dimse, in node: it offers grayscale printing, and takes every film.
//
// Its argument is the port. Writes `listening`, and a JSON object for each thing that it is asked:
// what, the SOP class, and of an image its position, size and pixels in base64.
'use strict';

const dimse = require('dcmjs-dimse');
const { Dataset, Scp, Server, log } = dimse;
const { NActionResponse, NCreateResponse, NDeleteResponse, NSetResponse } = dimse.responses;
const { PresentationContextResult, SopClass, Status, TransferSyntax } = dimse.constants;

log.level = 'silent';
log.setLevel?.('silent');

class Printer extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const offered = context.getAbstractSyntaxUid() === SopClass.BasicGrayscalePrintManagementMeta;
      const syntax = context.getTransferSyntaxUids().find((uid) => uid === TransferSyntax.ExplicitVRLittleEndian);
      if (offered) context.setResult(PresentationContextResult.Accept, syntax ?? TransferSyntax.ImplicitVRLittleEndian);
      else context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported);
    }
    this.sendAssociationAccept();
  }

  answered(told, made, callback, elements) {
    console.log(JSON.stringify(told));
    made.setStatus(Status.Success);
    if (elements) made.setDataset(new Dataset(elements));
    callback(made);
  }

  nCreateRequest(request, callback) {
    const sop = request.getAffectedSopClassUid();
    const { ImageDisplayFormat: format } = request.getDataset().getElements(); // dcmjs takes it for two values
    const [columns, rows] = (format?.[1] ?? '0,0').split(',').map(Number);
    const boxes = Array.from({ length: columns * rows }, (_, number) => ({
      ReferencedSOPClassUID: SopClass.BasicGrayscaleImageBox,
      ReferencedSOPInstanceUID: `2.25.${number + 1}`,
    }));
    const elements = format && { ReferencedImageBoxSequence: boxes };
    this.answered({ what: 'create', sop, format }, NCreateResponse.fromRequest(request), callback, elements);
  }

  nSetRequest(request, callback) {
    const { ImageBoxPosition: position, BasicGrayscaleImageSequence: images } = request.getDataset().getElements();
    const { Rows: rows, Columns: columns, PixelData: pixels } = [images].flat()[0];
    const told = { position, rows, columns, pixels: Buffer.from([pixels].flat()[0]).toString('base64') };
    const sop = request.getRequestedSopClassUid();
    this.answered({ what: 'set', sop, ...told }, NSetResponse.fromRequest(request), callback);
  }

  nActionRequest(request, callback) {
    const sop = request.getRequestedSopClassUid();
    this.answered({ what: 'action', sop }, NActionResponse.fromRequest(request), callback);
  }

  nDeleteRequest(request, callback) {
    const sop = request.getRequestedSopClassUid();
    this.answered({ what: 'delete', sop }, NDeleteResponse.fromRequest(request), callback);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

const server = new Server(Printer);
server.on('networkError', (error) => console.error(String(error)));
server.listen(Number(process.argv[2]));
console.log('listening');
