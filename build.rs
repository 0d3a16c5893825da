//! Protos to Rust without protoc: the messages and services, the descriptors that reflection
//! serves, and the table of methods with what each requires.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(["milvus.proto"])?;
    // The encoded form keeps the privilege options, which the prost types drop.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    fs::write(out.join("methods.rs"), method_table(&DescriptorPool::decode(&*descriptors)?)?)?;

    tonic_prost_build::configure()
        .build_client(true)
        // The service has a method `Connect`, which would clash with the client's constructor.
        .build_transport(false)
        .generate_default_stubs(true)
        .codec_path("crate::rpc::codec::Codec")
        .include_file("protos.rs")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// One line for each method: its path, the privilege option of its request, and the numbers of
/// the fields that the gate reads.
fn method_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension = pool
        .get_extension_by_name("milvus.proto.common.privilege_ext_obj")
        .ok_or("no privilege_ext_obj")?;
    let mut table = String::from("pub(super) static METHODS: &[MethodRow] = &[\n");
    for service in pool.services().filter(|s| s.package_name() == "milvus.proto.milvus") {
        for method in service.methods() {
            let request = method.input();
            let options = request.options();
            let option = options
                .has_extension(&extension)
                .then(|| options.get_extension(&extension).into_owned());
            let field = |name: &str| field_number(&request, name);
            writeln!(
                table,
                "    MethodRow {{ path: \"/{}/{}\", name: \"{}\", option: {}, database: {}, collection: {} }},",
                service.full_name(),
                method.name(),
                method.name(),
                option_row(&request, option)?,
                field("db_name").or_else(|| field("dbName")).unwrap_or(0),
                field("collection_name").or_else(|| field("collectionName")).unwrap_or(0),
            )?;
        }
    }
    table.push_str("];\n");
    Ok(table)
}

fn field_number(message: &MessageDescriptor, name: &str) -> Option<u32> {
    message.get_field_by_name(name).map(|field| field.number())
}

fn option_row(
    request: &MessageDescriptor,
    option: Option<Value>,
) -> Result<String, Box<dyn Error>> {
    let Some(option) = option else {
        return Ok("None".to_owned());
    };
    let option: &DynamicMessage = option.as_message().ok_or("the option is no message")?;
    let number = |name: &str| -> Result<i32, Box<dyn Error>> {
        let value = option.get_field_by_name(name).ok_or_else(|| format!("no field {name}"))?;
        value.as_enum_number().or_else(|| value.as_i32()).ok_or_else(|| name.into())
    };
    let (one, many) = (number("object_name_index")?, number("object_name_indexs")?);
    Ok(format!(
        "Some(OptionRow {{ object_type: {}, privilege: {}, name: &{:?}, many: {} }})",
        number("object_type")?,
        number("object_privilege")?,
        name_path(request, if many > 0 { many } else { one })?,
        many > 0,
    ))
}

/// Where a request holds its object's name: a string field, or the first field of a message field.
fn name_path(request: &MessageDescriptor, index: i32) -> Result<Vec<u32>, Box<dyn Error>> {
    let Ok(number) = u32::try_from(index) else {
        return Ok(Vec::new());
    };
    let field = request
        .get_field(number)
        .ok_or_else(|| format!("{} has no field {number}", request.full_name()))?;
    match field.kind() {
        Kind::String => Ok(vec![number]),
        Kind::Message(_) => Ok(vec![number, 1]),
        other => Err(format!("{} cannot name an object: {other:?}", field.full_name()).into()),
    }
}
